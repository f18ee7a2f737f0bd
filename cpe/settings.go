package main

import (
	"context"
	"slices"
	"sync"
	"time"

	"tandem/cpe/config"
	"tandem/cpe/policy"
	"tandem/cpe/ruleset"
	"tandem/cpe/upstream"
	"tandem/shared/credential"
)

// settings is one loaded configuration and what was made from it. It never
// changes; a reload makes another.
type settings struct {
	config        *config.Config
	facts         policy.Facts
	policy        *policy.Policy
	keys          map[credential.KeyID]credential.Key
	concentrators []*concentrator
}

// concentrator is a converter with the task that watches it.
type concentrator struct {
	*upstream.Converter
	from    config.Concentrator
	key     credential.Key
	signer  *credential.Signer // nil without a key
	timeout time.Duration
	mode    config.Mode
	ready   readiness
	inward  []config.Redirect
	spared  spared
	begin   func() // once: its task
	stop    func()
}

// allUsable tells whether no concentrator is down.
func (s *settings) allUsable() bool {
	return !slices.ContainsFunc(s.concentrators, func(c *concentrator) bool { return !c.Usable() })
}

// readiness is how many connections are to be made in advance.
type readiness struct {
	lowest, highest int
	probe           bool // of data in the SYN
	steers          bool // their subflows are made by package steer
}

func readinessOf(cfg *config.Config, c config.Concentrator) (r readiness) {
	if c.OnPath {
		return r
	}
	if cfg.FirstByte.Warm() {
		r = readiness{lowest: cfg.WarmMin, highest: cfg.WarmMax, probe: cfg.FirstByte == config.FirstByteAuto}
	}
	if len(cfg.Redirects) > 0 || c.Forwards { // connections from outside come on them
		r.lowest, r.highest = max(r.lowest, minInward), max(r.highest, minInward)
	}
	return r
}

// minInward is how many connections lie ready for those from outside.
const minInward = 2

// firstBytesWait is how long a LAN host gets to speak before a SYN that could
// carry its words leaves without them.
func (s *settings) firstBytesWait(port uint16) time.Duration {
	if _, serverFirst := slices.BinarySearch(s.config.ServerFirstPorts, port); serverFirst {
		return 0
	}
	return s.config.FirstDataWait
}

// newSettings makes settings from a configuration. Converters that old has
// and cfg still names the same way are kept, with all they have learnt.
func (p *proxy) newSettings(cfg *config.Config, keys map[credential.KeyID]credential.Key, old *settings) *settings {
	facts := p.lines.Facts()
	s := &settings{config: cfg, facts: facts, policy: policy.New(cfg, facts), keys: keys}
	for _, c := range cfg.Concentrators {
		ready := readinessOf(cfg, c)
		ready.steers = p.manager.steers
		if kept := old.find(c, keys[c.Key], cfg, ready); kept != nil {
			s.concentrators = append(s.concentrators, kept)
			continue
		}
		s.concentrators = append(s.concentrators, p.newConcentrator(c, keys[c.Key], old.signer(c, keys[c.Key]), cfg, ready))
	}
	return s
}

func (p *proxy) newConcentrator(c config.Concentrator, key credential.Key, signer *credential.Signer, cfg *config.Config, ready readiness) *concentrator {
	ctx, cancel := context.WithCancel(context.Background())
	if signer == nil && !key.IsZero() {
		signer = &credential.Signer{Identity: credential.NewIdentity(c.Key, key), Now: now()}
	}
	converter := upstream.NewConverter(p.log, c, signer, ruleset.MarkOwn, cfg.ConnectTimeout, p.lines.WANs)
	converter.Affords = p.budget.Take
	converter.Mode, converter.Steered, converter.Engine = cfg.Mode, ready.steers, p.engine
	converter.Suspect, converter.Delay, converter.Refresh = p.lines.Suspect, p.lines.Delay, p.lines.Poke
	if err := converter.KeepWarm(ready.lowest, ready.highest, ready.probe); err != nil {
		p.log.Warn("no connections are made in advance", "concentrator", c.Name, "err", err)
	}
	if signer == nil && len(cfg.Redirects) > 0 && !c.OnPath {
		p.log.Warn("no connections from outside: they need a key", "concentrator", c.Name, "hint", "tandem-cpe join")
	}
	var wg sync.WaitGroup
	one := &concentrator{
		Converter: converter, from: c, key: key, signer: signer, timeout: cfg.ConnectTimeout, mode: cfg.Mode, ready: ready, inward: cfg.Redirects,
		begin: sync.OnceFunc(func() {
			wg.Add(1)
			go func() { defer wg.Done(); converter.Run(ctx) }()
		}),
		stop: func() { cancel(); wg.Wait() },
	}
	converter.Inbound = func(in *upstream.Inbound) { p.inbound(one, in) }
	for _, r := range cfg.Redirects {
		converter.Wanted = append(converter.Wanted, r.Ports)
	}
	return one
}

// begin starts what is new in s. That is only when s is in force: the first use
// of a new key ends the former one, by which flows are signed until then.
func (s *settings) begin() {
	for _, c := range s.concentrators {
		c.begin()
	}
}

// awaitAnswers waits until each concentrator was asked once, at most for limit.
func (s *settings) awaitAnswers(limit time.Duration) {
	expired := time.After(limit)
	for _, c := range s.concentrators {
		select {
		case <-c.Asked():
		case <-expired:
			return
		}
	}
}

// find returns the converter made from the same section and key, nil if there is
// none.
func (s *settings) find(c config.Concentrator, key credential.Key, cfg *config.Config, ready readiness) *concentrator {
	if s == nil {
		return nil
	}
	for _, have := range s.concentrators {
		if have.from.Equal(c) && have.key.Equal(key) && have.timeout == cfg.ConnectTimeout &&
			have.mode == cfg.Mode && have.ready == ready && slices.Equal(have.inward, cfg.Redirects) {
			return have
		}
	}
	return nil
}

// signer returns the one that signed for this concentrator so far, which knows
// its clock; nil if none did.
func (s *settings) signer(c config.Concentrator, key credential.Key) *credential.Signer {
	if s == nil {
		return nil
	}
	for _, have := range s.concentrators {
		if have.from.Name == c.Name && slices.Equal(have.from.Addresses, c.Addresses) && have.from.Port == c.Port &&
			have.from.Key == c.Key && have.key.Equal(key) {
			return have.signer
		}
	}
	return nil
}

// retire ends what next does not use any more.
func (s *settings) retire(next *settings) {
	for _, c := range s.concentrators {
		if next == nil || !slices.Contains(next.concentrators, c) {
			c.stop()
		}
	}
}
