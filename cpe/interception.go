package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"tandem/cpe/config"
	"tandem/cpe/intercept"
	"tandem/cpe/ruleset"
	"tandem/shared/daemon"
	"tandem/shared/logline"
	"tandem/shared/mptcp"
)

// interception is the listeners and the nftables rules that feed them.
type interception struct {
	log       *logline.Logger
	proxy     *proxy
	listeners []*mptcp.Acceptor

	mu      sync.Mutex
	inForce *settings
	full    bool // no new connections are taken: max_flows is reached
	nft     ruleset.NFT
	hold    hold
	keptOut bool // it was said that the firewall refuses

	setups context.Context // of connections being set up
	cancel func()
}

// nftTime bounds one run of nft.
const nftTime = 30 * time.Second

// newInterception opens the listeners, then lets the rules send to them.
func newInterception(log *logline.Logger, p *proxy, first *settings) (*interception, error) {
	listeners, err := intercept.Listen(first.config.Port, ruleset.MarkOwn)
	if err != nil {
		return nil, err
	}
	i := &interception{log: log, proxy: p, listeners: listeners}
	i.setups, i.cancel = context.WithCancel(context.Background())
	if err := i.apply(first); err != nil {
		return nil, errors.Join(err, i.remove())
	}
	return i, nil
}

// apply brings rules and routing in line with s and with how full we are.
// After an error the rules in force are still the former ones.
func (i *interception) apply(s *settings) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, l := range i.listeners {
		if err := intercept.SaveSYN(l, s.policy.NeedsSYN()); err != nil {
			return fmt.Errorf("rules by MAC address or DSCP: %w", err)
		}
	}
	if err := i.install(s, i.full); err != nil {
		return err
	}
	if words := besideMwan3(s.facts.Mwan3); words != "" && (i.inForce == nil || i.inForce.facts.Mwan3 != s.facts.Mwan3) {
		i.log.Warn(words)
	}
	i.inForce = s
	i.proxy.crowded() // max_flows may be another
	return nil
}

// install is called with mu held.
func (i *interception) install(s *settings, full bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), nftTime)
	defer cancel()
	families, err := ruleset.Routing().Install()
	if err != nil {
		return err
	}
	if !families.IPv6 && i.inForce == nil {
		i.log.Info("IPv6 is disabled on this router: IPv4 only")
	}
	switch {
	case full:
		return i.nft.Apply(ctx, ruleset.Render(s.config, s.facts, ruleset.Drain))
	case s.config.Accept == config.AcceptFaithful:
		return i.installHold(ctx, s)
	}
	err = i.nft.Apply(ctx, ruleset.Render(s.config, s.facts, ruleset.Intercept))
	if err == nil {
		i.hold.close()
	}
	return err
}

// run accepts until ctx ends, then takes the rules away, so that new
// connections go direct from that moment on.
func (i *interception) run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer i.cancel()
	for _, l := range i.listeners {
		wg.Add(1)
		go func() { defer wg.Done(); i.proxy.accept(i.setups, l) }()
	}
	unguard := i.guard(ctx)
	i.watchLoad(ctx)
	unguard()
	err := i.remove()
	i.cancel()
	wg.Wait()
	i.proxy.pending.Wait()
	i.proxy.held.clear()
	return err
}

// watchLoad stops taking connections while max_flows are held, or as many as
// there are descriptors for: the LAN's next ones are routed direct by the
// kernel, at no cost.
func (i *interception) watchLoad(ctx context.Context) {
	// Who fills it up says so (crowd); that there is room again must be looked
	// for. An idle router is left asleep.
	const whileFull = 100 * time.Millisecond
	var again <-chan time.Time
	admission := time.NewTicker(admissionTick)
	defer admission.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-admission.C:
			i.watchAdmission()
			continue
		case <-again:
		case <-i.proxy.crowd:
		}
		i.mu.Lock()
		load, limit := i.proxy.load(), min(i.inForce.config.MaxFlows, roomForFlows())
		i.proxy.room.Store(int64(limit))
		full := load >= limit || i.full && load > limit*9/10 || i.proxy.shortLately()
		if full != i.full {
			if err := i.install(i.inForce, full); err != nil {
				i.log.Error("cannot change the nftables rules", "err", err)
			} else {
				i.full = full
				i.log.Warn("max_flows", "reached", full, "flows", load, "new_connections", map[bool]string{true: "direct", false: "relayed"}[full])
			}
		}
		if again = nil; i.full {
			again = time.After(whileFull)
		}
		i.mu.Unlock()
	}
}

// roomForFlows is how many the limit of open files has room for: two
// descriptors each, and as many again as half of them are being set up.
func roomForFlows() int {
	const others = 48 // listeners, lines, control, the runtime's own
	return max(1, (daemon.OpenFiles()-others)/3)
}

// remove takes rules and routing away, then closes the listeners.
func (i *interception) remove() error {
	ctx, cancel := context.WithTimeout(context.Background(), nftTime)
	defer cancel()
	err := errors.Join(i.nft.Remove(ctx), ruleset.Routing().Remove())
	i.hold.close()
	for _, l := range i.listeners {
		l.Close()
	}
	return err
}
