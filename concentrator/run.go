package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tandem-mptcp/tandem/concentrator/clients"
	"github.com/tandem-mptcp/tandem/concentrator/config"
	"github.com/tandem-mptcp/tandem/concentrator/forward"
	"github.com/tandem-mptcp/tandem/concentrator/limits"
	"github.com/tandem-mptcp/tandem/concentrator/onpath"
	"github.com/tandem-mptcp/tandem/concentrator/service"
	"github.com/tandem-mptcp/tandem/shared/control"
	"github.com/tandem-mptcp/tandem/shared/daemon"
	"github.com/tandem-mptcp/tandem/shared/flight"
	"github.com/tandem-mptcp/tandem/shared/mptcp"
	"github.com/tandem-mptcp/tandem/shared/relay"
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

// accept takes connections until stop is called, which returns when no more
// come and none waits for a request.
func (d *concentrator) accept(listeners []*net.TCPListener) (stop func(), err error) {
	setups, cancel := context.WithCancel(context.Background())
	d.cutSetups = cancel
	var wg sync.WaitGroup
	acceptors, err := acceptorsOf(listeners)
	if err != nil {
		return nil, err
	}
	for _, a := range acceptors {
		wg.Add(1)
		go func() { defer wg.Done(); d.server.accept(setups, a) }()
	}
	parked := background(func(ctx context.Context) error {
		d.server.parking.run(ctx, d.server.parkTimeout, func(c *parkedConn) { d.server.resume(setups, c) })
		return nil
	})
	d.server.forwards.Start(func(remote *net.TCPConn, p forward.Port) {
		_ = remote.SetKeepAliveConfig(keepAlive)
		socket, err := d.server.engine.Take(remote)
		if err != nil {
			_ = mptcp.Reset(remote)
			return
		}
		d.server.setups.Add(1)
		go func() {
			defer d.server.setups.Done()
			d.server.inbound(setups, socket, p)
		}()
	})
	pass, err := d.onPath.serve(setups, d.server)
	stop = func() {
		if pass != nil {
			pass()
		}
		d.server.forwards.Close()
		for _, a := range acceptors {
			a.Close()
		}
		wg.Wait()
		parked()
	}
	if err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

// drainConnections lets those there are end by themselves, until drain ends.
func (d *concentrator) drainConnections(drain context.Context) {
	// Requests on their way are answered first: they may become connections.
	answered := make(chan struct{})
	go func() { d.server.setups.Wait(); close(answered) }()
	select {
	case <-answered:
	case <-drain.Done():
		d.cutSetups()
		<-answered
	}
	if cut := d.server.engine.Drain(drain); cut > 0 {
		d.log.Warn("connections cut", "reason", context.Cause(drain), "connections", cut)
	}
}

func acceptorsOf(listeners []*net.TCPListener) (all []*mptcp.Acceptor, err error) {
	for _, l := range listeners {
		a, err := mptcp.NewAcceptor(l)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

// reload takes a new configuration whole or not at all.
func (d *concentrator) reload() {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	service.Reloading()
	defer service.Ready()
	if err := d.tryReload(); err != nil {
		d.log.Error("reload refused, the configuration in force stays", "err", err)
		return
	}
	d.log.Info("reloaded")
}

func (d *concentrator) tryReload() error {
	cfg, err := config.Load(d.options.configFile)
	if err != nil {
		return err
	}
	fit(d.log, cfg)
	old := d.server.settings.Load().config
	if !slices.Equal(cfg.Listen, old.Listen) || cfg.Control != old.Control || cfg.State != old.State || cfg.Metrics != old.Metrics || cfg.Mark != old.Mark ||
		cfg.FastOpen != old.FastOpen || cfg.FastOpenQueue != old.FastOpenQueue || cfg.Limits.MaxNonces != old.Limits.MaxNonces || cfg.BindingLog.Block != old.BindingLog.Block || !reflect.DeepEqual(cfg.OnPath, old.OnPath) {
		return errors.New("listen, control, state, metrics, mark, fast_open, fast_open_queue, max_nonces, block and on_path take effect at a restart only")
	}
	next, err := d.server.newSettings(cfg, d.secret)
	if err != nil {
		return err
	}
	before := d.server.settings.Swap(next)
	d.server.front.SetLimit(cfg.Limits.FailuresPerMinute)
	d.server.admission.SetTotals(cfg.Limits.MaxConnections, cfg.Limits.MaxSetups)
	// Where clients may go depends on both.
	if err := d.reloadStore(); err != nil {
		d.server.settings.Store(before)
		return err
	}
	d.onPath.follow(d.log, next)
	d.level.Set(cfg.Log.Level)
	logWarnings(d.log, cfg)
	return nil
}

func logWarnings(log *slog.Logger, cfg *config.Config) {
	for _, w := range cfg.Warnings {
		log.Warn("configuration: " + w)
	}
}

// listen opens all listeners or none. Those that systemd has opened are taken
// over: connections wait in them while no daemon runs.
func listen(log *slog.Logger, cfg *config.Config) ([]*net.TCPListener, error) {
	lc := mptcp.ListenConfig{MPTCP: true, Mark: cfg.Mark, NoCookie: true, V6Only: true, ReceiveBuffer: receiveBuffer, KeepAlive: keepAlive}
	if cfg.FastOpen {
		// Without a cookie: a request authenticates itself, and is not bound to
		// an address that a cookie could prove.
		lc.FastOpen = cfg.FastOpenQueue
		warnFastOpen(log)
	}
	listeners, err := service.Inherited(lc)
	if err != nil {
		return nil, err
	}
	if len(listeners) > 0 {
		for _, addr := range service.Surplus(cfg.Listen, listeners) {
			log.Warn("the socket unit listens where the configuration does not; serving it too", "address", addr)
		}
	}
	for _, addr := range service.Missing(cfg.Listen, listeners) {
		l, err := lc.Listen(addr)
		if err != nil {
			for _, l := range listeners {
				l.Close()
			}
			return nil, fmt.Errorf("listen on %s: %w", addr, err)
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

// receiveBuffer holds what 150 Mbit/s bring in while the slower line's round
// trip of 200 ms lasts, and as much again for the kernel's bookkeeping. It is
// a bound: memory is used for data that waits only.
const receiveBuffer = 8 << 20

// warnFastOpen says when the kernel will not take data in the SYN: then CPEs
// that send it lose MPTCP on that connection.
func warnFastOpen(log *slog.Logger) {
	const path = "/proc/sys/net/ipv4/tcp_fastopen"
	text, err := os.ReadFile(path)
	var bits int
	if _, scanErr := fmt.Sscan(strings.TrimSpace(string(text)), &bits); err != nil || scanErr != nil {
		return
	}
	if bits&2 == 0 {
		log.Warn("the kernel does not take data in the SYN; set sysctl net.ipv4.tcp_fastopen=3", "now", bits)
	}
}

// raiseLimits lets every connection have as many subflows as the kernel can.
func raiseLimits(log *slog.Logger) error {
	pm, err := mptcp.Open()
	if err != nil {
		return fmt.Errorf("this kernel offers no MPTCP path manager: %w", err)
	}
	defer pm.Close()
	limits, err := pm.Limits()
	if err != nil || limits.Subflows == maxSubflows {
		return err
	}
	log.Debug("raising the limit of subflows", "from", limits.Subflows, "to", maxSubflows)
	limits.Subflows = maxSubflows
	return pm.SetLimits(limits)
}

// maxSubflows is the kernel's own bound (8 additional ones before Linux 7).
const maxSubflows = 8
