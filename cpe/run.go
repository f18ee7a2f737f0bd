package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"tandem/cpe/config"
	"tandem/cpe/health"
	"tandem/cpe/netifd"
	"tandem/cpe/privilege"
	"tandem/cpe/quota"
	"tandem/cpe/ruleset"
	"tandem/cpe/steer"
	"tandem/cpe/uplink"
	"tandem/shared/control"
	"tandem/shared/daemon"
	"tandem/shared/flight"
	"tandem/shared/logline"
	"tandem/shared/mptcp"
	"tandem/shared/nocmp"
	"tandem/shared/relay"
)

// run is the daemon. Interception begins when everything behind it works, and
// ends before anything behind it goes away.
func run(o options, stderr io.Writer) error {
	hangups := daemon.Hangups()
	cfg, secrets, err := o.load()
	if err != nil {
		return err
	}
	log := logline.New(stderr)
	log.SetLevel(cfg.LogLevel)
	if !cfg.Enabled {
		log.Info("disabled by the configuration: nothing to do", "hint", "uci set tandem.main.enabled=1")
		return nil
	}
	if o.controlPath != "" {
		cfg.Control = o.controlPath
	}

	if err := dropPrivileges(cfg.Port); errors.Is(err, privilege.ErrMissing) {
		return err
	} else if err != nil {
		log.Warn("privileges that are not needed could not be given up", "err", err)
	}
	askDevices(log, cfg)
	pm, err := mptcp.Open()
	if err != nil {
		return fmt.Errorf("this kernel offers no MPTCP path manager (OpenWrt 24.10 or newer has it): %w", err)
	}
	defer pm.Close()
	manager := newPathManager(log)
	manager.choose(cfg)
	manager.insist()
	defer manager.restore()
	lines, err := uplink.NewTracker(log, pm, cfg, !manager.steers)
	if err != nil {
		return err
	}
	p := newProxy(log, lines)
	p.quotas = quota.New(log, o.stateDir)
	p.quotas.Configure(cfg.WANs)
	p.budget = health.NewBudget(log, o.stateDir, p.clock())
	defer p.budget.Close()
	p.quotas.Now, p.quotas.Changed = p.clock(), lines.Poke
	lines.Meter().Booked = func(w uplink.WAN, c uplink.Counters) { p.quotas.Book(w.Name, w.Device, w.Index, c.Up+c.Down) }
	if err := lines.Restrain(p.quotas.Reached); err != nil {
		return err
	}
	p.steerer = &steer.Steerer{Log: log, PM: pm, Lines: lines, Flows: &p.flows, Joined: p.joined}
	p.manager = manager
	first := p.newSettings(cfg, secrets, nil)
	p.settings.Store(first)
	d := &cpe{options: o, log: log, proxy: p, manager: manager}
	defer func() { p.settings.Load().retire(nil) }()

	// One question and its answer: then the clock is right before the first flow
	// is signed, and flows do not wait for a concentrator that is not there.
	first.begin()
	first.awaitAnswers(time.Second)
	interception, err := newInterception(log, p, first)
	if err != nil {
		return err
	}
	d.interception = interception

	ctx, stop := daemon.Signals(context.Background(), hangups, func() { _ = d.reload() })
	defer stop()
	log.Info("started", "version", version, "concentrators", len(cfg.Concentrators), "lines", len(cfg.WANs))
	err = daemon.Serve(ctx,
		daemon.Task{Name: "lines", Run: lines.Run},
		daemon.Task{Name: "health", Run: (&health.Watch{Log: log, Lines: lines, Targets: p.targets, Mark: ruleset.MarkOwn, Engine: p.engine, Budget: p.budget, Started: p.engine.Started, Compares: p.compares}).Run},
		daemon.Task{Name: "quotas", Run: p.quotas.Run},
		daemon.Task{Name: "orphans", Run: p.endOrphans},
		daemon.Task{Name: "steering", Run: func(ctx context.Context) error { return manager.run(ctx, p.steerer) }},
		daemon.Task{Name: "interception", Run: interception.run},
		daemon.Task{Name: "facts", Run: d.followFacts},
		daemon.Task{Name: "refusals", Run: func(ctx context.Context) error {
			return p.refusals.Run(ctx, func(err error) { log.Debug("a refusal was not handed to the kernel", "err", err) })
		}},
		daemon.Task{Name: "send buffers", Run: (&flight.Tuner[*relay.Flow]{
			Warn: func(err error) {
				log.Warn("send buffers are left to the kernel: a lost line is felt for longer", "hint", "raise sysctl net.core.wmem_max to 16777216, or give CAP_NET_ADMIN", "err", err)
			},
			Flows: p.engine.Flows, Started: p.engine.Started, Leg: (*relay.Flow).Server,
			Sent:     func(up, _ int64) int64 { return up },
			Overhead: 2.5, // LAN hosts' packets, one by one
		}).Run},
		daemon.Task{Name: "control", Run: (&control.Server{
			Path:     cfg.Control,
			Handlers: d.handlers(),
		}).Run},
	)
	// What was intercepted cannot go on without us: end it at once, so that
	// the LAN hosts connect anew, direct.
	ended, cancel := context.WithCancelCause(context.Background())
	cancel(daemon.ErrTerminated)
	n := p.engine.Drain(ended)
	log.Info("stopped", "ended_flows", n)
	return err
}

// dropPrivileges keeps what the work takes: CAP_NET_ADMIN, and where the
// listener's port is a privileged one the right to it.
func dropPrivileges(port uint16) error {
	if port < 1024 {
		return privilege.Drop(unix.CAP_NET_BIND_SERVICE)
	}
	return privilege.Drop()
}

// askDevices lets netifd say which devices the lines have. Where it does not,
// they count as down until it is asked again.
func askDevices(log *logline.Logger, cfg *config.Config) {
	if err := netifd.Resolve(context.Background(), cfg, netifd.UBus); err != nil {
		log.Warn("lines named by interface are not used", "err", err)
	}
}

// cpe is the running daemon as seen by signals and the control socket.
type cpe struct {
	_            nocmp.Field
	options      options
	log          *logline.Logger
	proxy        *proxy
	interception *interception
	manager      *pathManager
	reloading    sync.Mutex
}

// handlers are what the control socket answers.
func (d *cpe) handlers() map[string]control.Handler {
	return map[string]control.Handler{
		"status": d.reported,
		"flows":  func([]string) (any, error) { return d.flowList(), nil },
		"reload": func([]string) (any, error) {
			if err := d.reload(); err != nil {
				return nil, fmt.Errorf("reload refused, the configuration in force stays: %w", err)
			}
			return d.status(nil), nil
		},
	}
}

// reload takes a new configuration whole or not at all.
func (d *cpe) reload() error {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	if err := d.tryReload(); err != nil {
		d.log.Error("reload refused, the configuration in force stays", "err", err)
		return err
	}
	d.log.Info("reloaded")
	return nil
}

func (d *cpe) tryReload() error {
	cfg, secrets, err := d.options.load()
	if err != nil {
		return err
	}
	old := d.proxy.settings.Load()
	switch {
	case !cfg.Enabled:
		return errors.New("option enabled is 0: stop the service instead")
	case cfg.Port != old.config.Port || cfg.Control != old.config.Control && d.options.controlPath == "":
		return errors.New("options port and control take effect at a restart only")
	}
	askDevices(d.log, cfg)
	lines := d.proxy.lines
	if d.manager.choose(cfg); d.manager.steers {
		lines.LeaveKernel()
	}
	if err := lines.Configure(cfg); err != nil {
		return errors.Join(err, lines.Configure(old.config))
	}
	next := d.proxy.newSettings(cfg, secrets, old)
	if err := d.interception.apply(next); err != nil {
		next.retire(old)
		return errors.Join(err, lines.Configure(old.config))
	}
	d.proxy.settings.Store(next)
	d.proxy.quotas.Configure(cfg.WANs)
	next.begin()
	old.retire(next)
	d.log.SetLevel(cfg.LogLevel)
	return nil
}

// followFacts renews rules and policy when the router's own addresses or the
// networks next to it have changed. While the network is being started anew the
// loopback device may be down, and then our route cannot be made: it is tried
// again.
func (d *cpe) followFacts(ctx context.Context) error {
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.proxy.lines.Changed():
		case <-again:
		}
		d.reloading.Lock()
		old := d.proxy.settings.Load()
		next := d.proxy.newSettings(old.config, old.keys, old)
		err := d.interception.apply(next)
		if err == nil {
			d.proxy.settings.Store(next)
		}
		d.reloading.Unlock()
		switch {
		case err == nil && again != nil:
			d.log.Info("the nftables rules are renewed")
		case err != nil && again == nil:
			d.log.Warn("cannot renew the nftables rules yet", "err", err)
		}
		if again = nil; err != nil {
			again = time.After(time.Second)
		}
	}
}
