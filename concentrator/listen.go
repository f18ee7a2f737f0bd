package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"

	"tandem/concentrator/config"
	"tandem/concentrator/forward"
	"tandem/concentrator/service"
	"tandem/shared/mptcp"
)

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
