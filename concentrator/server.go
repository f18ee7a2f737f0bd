package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tandem/concentrator/authorise"
	"tandem/concentrator/bindlog"
	"tandem/concentrator/clients"
	"tandem/concentrator/config"
	"tandem/concentrator/connect"
	"tandem/concentrator/forward"
	"tandem/concentrator/front"
	"tandem/concentrator/limits"
	"tandem/concentrator/receive"
	"tandem/concentrator/returnpath"
	"tandem/shared/account"
	"tandem/shared/credential"
	"tandem/shared/mptcp"
	"tandem/shared/ratelog"
	"tandem/shared/relay"
	"tandem/shared/workers"
)

// server accepts the connections of CPEs; conn.go is what it does with one.
type server struct {
	log       *slog.Logger
	perPeer   ratelog.Logger[netip.Addr] // lines that strangers can provoke
	perClient ratelog.Logger[string]     // lines that a client can provoke
	settings  atomic.Pointer[settings]
	engine    *relay.Engine
	ledger    account.Ledger
	requests  receive.Pool
	pieces    sync.Pool // of *[pieceSize]byte, of servers

	verifier  *credential.Verifier
	keys      keys
	admission *limits.Admission
	ports     bindlog.Allocator
	bindings  *bindlog.Queue
	own       authorise.Own // the concentrator's own addresses

	// draining: clients are sent away (Error 64), the open connections live on.
	draining atomic.Bool

	setups    sync.WaitGroup
	workers   *workers.Pool
	front     *front.Front
	lapses    *lapses
	pending   pendingConns
	parking   *parking
	forwards  *forward.Listeners
	returns   returnpath.Path
	exchanges exchanges
	counters  struct {
		accepted, turnedAway, relayed, inbound, onPath, refused, malformed, failed, overload, moved atomic.Int64
	}
}

func newServer(log *slog.Logger, cfg *config.Config, store clients.Store) (*server, error) {
	ports, err := bindlog.LocalRange()
	if err != nil {
		return nil, err
	}
	parking, err := newParking()
	if err != nil {
		return nil, err
	}
	s := &server{
		log: log, engine: relay.NewEngine(), workers: workers.New(32),
		front:     front.New(cfg.Limits.FailuresPerMinute),
		lapses:    newLapses(),
		parking:   parking,
		pieces:    sync.Pool{New: func() any { return new([pieceSize]byte) }},
		verifier:  credential.NewVerifier(cfg.Limits.MaxNonces),
		keys:      keys{store},
		admission: limits.NewAdmission(cfg.Limits.MaxConnections, cfg.Limits.MaxSetups),
		bindings:  bindlog.NewQueue(bindlog.Slog{Logger: log}),
	}
	s.ports = bindlog.NewPorts(ports, nil)
	if size := cfg.BindingLog.Block; size > 0 {
		if n := int(ports.High) - int(ports.Low) + 1; size > n {
			return nil, fmt.Errorf("binding_log.block: %d ports at a time, and this host has %d; see sysctl net.ipv4.ip_local_port_range", size, n)
		}
		s.ports = bindlog.NewBlocks(ports, size, s.bindings, nil)
	}
	s.forwards = s.newForwards(ports)
	s.forwards.Mark = cfg.Mark
	s.perPeer.Log, s.perClient.Log = log, log
	s.perPeer.Keys = 128 // lines a second, whatever the number of sources
	own, err := connect.Own()
	if err != nil {
		return nil, err
	}
	s.own.Set(slices.Concat(own, cfg.Advertise.Addresses))
	return s, nil
}

// accept takes connections from l until it is closed.
func (s *server) accept(ctx context.Context, l *mptcp.Acceptor) error {
	for {
		cpe, err := s.engine.Accept(l, s.admit)
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			s.cannotAccept(ctx, err)
			continue
		}
		source := cpe.Remote().Addr()
		limits := &s.settings.Load().config.Limits
		entered := s.pending.enter(cpe, source, limits.MaxPending, limits.MaxPendingPerSource)
		if entered == nil {
			s.counters.overload.Add(1)
			s.perPeer.Line(slog.LevelWarn, household(source), "too many requests at a time", "source", source)
			cpe.Close()
			continue
		}
		s.setups.Add(1)
		s.workers.Do(func() {
			defer s.setups.Done()
			s.handle(ctx, cpe, entered, false)
		})
	}
}

// cannotAccept waits a moment. Descriptors have run out, most likely: connections
// wait in the kernel until some have ended. What was made in advance can go
// first.
func (s *server) cannotAccept(ctx context.Context, err error) {
	s.parking.makeRoom(s.parking.count()/4 + 1)
	s.perPeer.Line(slog.LevelWarn, netip.Addr{}, "cannot accept connections", "err", err)
	select {
	case <-ctx.Done():
	case <-time.After(20 * time.Millisecond):
	}
}

// admit decides by its source alone whether a connection is looked at.
func (s *server) admit(source netip.Addr) bool {
	s.counters.accepted.Add(1)
	if s.front.Admit(household(source)) || s.settings.Load().covers(source) {
		return true
	}
	// Even a line that is left out costs more than the rest of this, so most are
	// not tried; the total says how many there were.
	const oneIn = 256
	total := s.counters.turnedAway.Add(1)
	if total%oneIn != 1 {
		return false
	}
	s.perPeer.Line(slog.LevelWarn, netip.Addr{}, "turning connections away unread: their sources keep sending what no client sends", "source", source, "total", total)
	return false
}

// blame notes that a connection was no client's. Where the request came in the
// SYN and the handshake is not complete, its source may be anybody's.
func (s *server) blame(set *settings, cpe *relay.Socket, source netip.Addr) {
	if set.covers(source) {
		return
	}
	if _, halfOpen, _ := mptcp.Handshake(cpe); halfOpen {
		return
	}
	s.front.Failed(household(source))
}
