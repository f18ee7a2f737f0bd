package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-mptcp/tandem/concentrator/receive"
	"github.com/tandem-mptcp/tandem/shared/account"
	"github.com/tandem-mptcp/tandem/shared/ratelog"
	"github.com/tandem-mptcp/tandem/shared/relay"
)

// server accepts the connections of CPEs; conn.go is what it does with one.
type server struct {
	log      *slog.Logger
	perPeer  ratelog.Logger[netip.Addr] // lines that strangers can provoke
	settings atomic.Pointer[settings]
	engine   *relay.Engine
	ledger   account.Ledger
	requests receive.Pool

	setups   sync.WaitGroup
	pending  pendingConns
	counters struct {
		accepted, relayed, refused, malformed, failed, overload atomic.Int64
	}
}

func newServer(log *slog.Logger) *server {
	s := &server{log: log, engine: relay.NewEngine()}
	s.perPeer.Log = log
	return s
}

// accept takes connections from l until it is closed.
func (s *server) accept(ctx context.Context, l *net.TCPListener) error {
	for {
		cpe, err := l.AcceptTCP()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			// Out of descriptors, most likely: connections wait in the kernel
			// until some have ended.
			s.perPeer.Line(slog.LevelWarn, netip.Addr{}, "cannot accept connections", "err", err)
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
			continue
		}
		s.counters.accepted.Add(1)
		source := addrOf(cpe.RemoteAddr())
		limits := &s.settings.Load().config.Limits
		if !s.pending.enter(source, limits.MaxPending, limits.MaxPendingPerSource) {
			s.counters.overload.Add(1)
			s.perPeer.Line(slog.LevelWarn, household(source), "too many requests at a time", "source", source)
			cpe.Close()
			continue
		}
		s.setups.Add(1)
		go func() {
			defer s.setups.Done()
			defer s.pending.leave(source)
			s.handle(ctx, cpe)
		}()
	}
}

func addrOf(a net.Addr) netip.Addr {
	return a.(*net.TCPAddr).AddrPort().Addr().Unmap().WithZone("")
}
