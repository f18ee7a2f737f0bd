package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"

	"tandem/concentrator/clients"
	"tandem/concentrator/config"
	"tandem/concentrator/limits"
	"tandem/concentrator/onpath"
	"tandem/concentrator/service"
	"tandem/shared/control"
	"tandem/shared/daemon"
	"tandem/shared/flight"
	"tandem/shared/relay"
)

// run is the daemon. It may begin as the successor of one that hands over.
func run(o options, stderr io.Writer) error {
	hangups := daemon.Hangups()
	before, err := whoBefore()
	if err != nil {
		return err
	}
	err = serve(o, before, hangups, stderr)
	before.fail(err)
	return err
}

func serve(o options, before *predecessor, hangups chan os.Signal, stderr io.Writer) error {
	cfg, err := config.Load(o.configFile)
	if err != nil {
		return err
	}
	level := new(slog.LevelVar)
	level.Set(cfg.Log.Level)
	log := slog.New(service.LogHandler(stderr, level))
	store := clients.NewFolder(clientsFolder(cfg))
	fit(log, cfg)
	s, err := newServer(log, cfg, store)
	if err != nil {
		return err
	}
	d := &concentrator{options: o, log: log, level: level, secret: newSecret(), server: s, store: store}
	first, err := s.newSettings(cfg, d.secret)
	if err != nil {
		return err
	}
	s.settings.Store(first)
	logWarnings(log, cfg)
	bindings := background(s.bindings.Run)
	defer bindings() // after the last connection has ended
	if err := before.begin(cfg); err != nil {
		return err
	}
	if before != nil {
		d.state = before.lock
	} else {
		if d.state, err = lockState(cfg.State); err != nil {
			return err
		}
	}
	defer d.state.Close()
	d.alone.Store(before == nil)
	// Who changes a client from now on is heard; what was changed before is read.
	commands := &control.Server{Path: cfg.Control, Handlers: d.commands()}
	if err := commands.Listen(); err != nil {
		return err
	}
	if err := d.openState(cfg); err != nil {
		return err
	}
	if before == nil && s.returns.Err() != nil {
		_ = cleanup() // of an earlier run; if we may not, that run could not either
	}
	if before == nil && !cfg.OnPath.Enabled {
		_ = onpath.Remove() // the same
	}
	yielded := false
	defer func() {
		if yielded {
			return // the next process has them, if it needs any
		}
		if err := s.returns.Remove(context.Background()); err != nil {
			log.Error("rules for addresses of clients stay behind", "err", err)
		}
	}()
	if err := raiseLimits(log); err != nil {
		log.Warn("mptcp limits", "err", err)
	}
	if d.listeners, err = listen(log, cfg); err != nil {
		return err
	}
	if d.onPath, err = d.openOnPath(cfg); err != nil {
		return err
	}
	defer func() {
		if !yielded { // else the next process has it
			d.onPath.close(log)
		}
	}()
	stopAccepting, err := d.accept(d.listeners)
	if err != nil {
		return err
	}

	start, leave := context.WithCancelCause(context.Background())
	defer leave(nil)
	d.leave = leave
	ctx, stop := daemon.Signals(start, hangups, d.reload)
	stop = sync.OnceFunc(stop)
	defer stop()
	before.ready()
	service.Ready()
	log.Info("started", "version", version, "listen", cfg.Listen, "clients", len(cfg.Clients)+len(store.Clients()))
	// Until the drain has ended: a daemon that hangs then is to be killed too.
	watched, unwatch := context.WithCancel(context.Background())
	defer unwatch()
	go service.Watchdog(watched, func() { d.status() })
	err = daemon.Serve(ctx,
		daemon.Task{Name: "connections", Run: func(ctx context.Context) error {
			<-ctx.Done()
			if context.Cause(ctx) != errHandOver {
				stopAccepting()
				timeout := d.server.settings.Load().config.Limits.DrainTimeout
				service.Stopping(timeout)
				d.log.Info("draining", "connections", d.server.engine.Active(), "timeout", timeout)
				drain, stop := context.WithTimeoutCause(context.Background(), timeout, errors.New("drain timeout"))
				defer stop()
				defer d.closeState(d.server.settings.Load().config.State)
				d.drainConnections(drain)
			}
			return nil
		}},
		daemon.Task{Name: "clients", Run: store.Run},
		daemon.Task{Name: "send buffers", Run: d.tuner().Run},
		daemon.Task{Name: "volumes", Run: d.usage.Run},
		daemon.Task{Name: "own addresses", Run: d.followOwn},
		daemon.Task{Name: "memory", Run: s.tidy},
		daemon.Task{Name: "metrics", Run: d.serveMetrics},
		daemon.Task{Name: "earlier processes", Run: d.followEarlier},
		daemon.Task{Name: "control", Run: commands.Run},
	)
	next := d.next.Load()
	if context.Cause(ctx) == errHandOver {
		stopAccepting()
		yielded = true
		err = errors.Join(err, d.yield(next, func() { stop(); unwatch() }))
		log.Info("stopped")
		return err
	}
	if next != nil { // stopped while one was being made ready
		next.kill()
	}
	// What moved while the connections drained counts too.
	if saveErr := d.usage.Save(); saveErr != nil {
		log.Error("this month's volumes are not saved", "err", saveErr)
	}
	log.Info("stopped")
	return err
}

// commands are the requests that the control socket takes.
func (d *concentrator) commands() map[string]control.Handler {
	return map[string]control.Handler{
		"status": func([]string) (any, error) {
			r := d.status()
			r.Earlier = d.earlier()
			return r, nil
		},
		"reload-clients": func(args []string) (any, error) {
			answer, err := d.reloadClients(args)
			return answer, errors.Join(err, d.tellEarlier())
		},
		"volume":   d.volume,
		"moved":    d.moved,
		"clients":  func([]string) (any, error) { return d.clientStates(), nil },
		"drain":    func([]string) (any, error) { return d.drain(true), nil },
		"undrain":  func([]string) (any, error) { return d.drain(false), nil },
		"handover": d.handOver,
	}
}

// tuner keeps what is under way to a CPE within what its lines hold.
func (d *concentrator) tuner() *flight.Tuner[*relay.Flow] {
	return &flight.Tuner[*relay.Flow]{
		Warn: func(err error) {
			d.log.Warn("send buffers are left to the kernel: a lost line is felt for longer", "hint", "raise sysctl net.core.wmem_max to 16777216, or give CAP_NET_ADMIN", "err", err)
		},
		Flows: d.server.engine.Flows, Started: d.server.engine.Started, Leg: (*relay.Flow).Client,
		Sent:     func(_, down int64) int64 { return down },
		Overhead: 1.25, // servers' data, many packets at a time
	}
}

// background runs a part that must outlive the others; stop ends it and waits.
func background(run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = run(ctx) }()
	return func() { cancel(); <-ended }
}

// concentrator is the running daemon as seen by signals and the control socket.
type concentrator struct {
	options   options
	log       *slog.Logger
	level     *slog.LevelVar
	secret    []byte
	server    *server
	store     *clients.Folder
	usage     *limits.Usage
	state     *os.File // its lock is ours
	doubts    []string // of address preservation, as logged
	listeners []*net.TCPListener
	reloading sync.Mutex
	onPath    *onPath // nil: nothing that passes is taken over

	// A hand-over: what to call to begin it, to whom, and why the last one
	// failed; whether earlier processes still have connections, and how many.
	leave          context.CancelCauseFunc
	next           atomic.Pointer[successor]
	handOverFailed atomic.Pointer[string]
	alone          atomic.Bool
	earlierOpen    atomic.Int64

	cutSetups context.CancelFunc
}

// receiveBuffer holds what 150 Mbit/s bring in while the slower line's round
// trip of 200 ms lasts, and as much again for the kernel's bookkeeping. It is
// a bound: memory is used for data that waits only.
const receiveBuffer = 8 << 20

// maxSubflows is the kernel's own bound (8 additional ones before Linux 7).
const maxSubflows = 8
