package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"tandem/concentrator/bindlog"
	"tandem/concentrator/config"
	"tandem/concentrator/onpath"
	"tandem/concentrator/source"
	"tandem/shared/mptcp"
	"tandem/shared/relay"
)

// A connection that passes this host, from its first packet to its last:
//
//	1 take over   the kernel has shaken hands in the server's name (package onpath)
//	2 authorise   by source alone, and where to by the address it was sent to
//	3 connect     plain TCP to the server
//	4 relay       until both sides have ended
//
// There is no request and no answer: bytes go through as they are, and a server
// that is not reached is a reset.
func (s *server) takeOver(ctx context.Context, cpe *relay.Socket, on *onPath) {
	came, dst := cpe.Remote().Addr(), cpe.Local()
	set := s.settings.Load()
	client := on.client(s, set, came)
	if no, ok := set.where.Check(dst); !ok {
		s.counters.refused.Add(1)
		s.perPeer.Line(slog.LevelInfo, household(came), "refused", "source", came, "dst", dst, "reason", no.Why)
		_ = cpe.Reset()
		return
	}
	admitted := client.limits.Admit(time.Now())
	if !admitted.OK {
		s.counters.overload.Add(1)
		s.perClient.Line(slog.LevelInfo, client.name, "over a limit", "client", client.name, "reason", admitted.Why)
		_ = cpe.Reset()
		return
	}
	account := s.ledger.Account(client.name)
	from, err := s.sourceOnPath(set, client, came, dst)
	var server *relay.Socket
	var binding *bindlog.Binding
	if err == nil {
		server, binding, err = s.connect(ctx, set, client, from, dst, false, nil)
	}
	if err != nil {
		client.limits.Release(false)
		account.Fail()
		s.counters.failed.Add(1)
		s.log.Debug("server not reached", "client", client.name, "dst", dst, "err", err)
		_ = cpe.Reset()
		return
	}
	client.limits.Connected()
	s.counters.relayed.Add(1)
	s.counters.onPath.Add(1)
	account.Open()
	_, err = s.engine.Start(cpe, server, relay.Options{
		Up: client.limits.Up(), Down: client.limits.Down(), Tag: client,
		Done: func(_ *relay.Flow, res relay.Result) {
			account.Close(res.Up, res.Down)
			binding.End()
			client.limits.Release(true)
		},
	})
	if err != nil {
		account.Close(0, 0)
		_ = server.Reset()
		_ = cpe.Reset()
		binding.End()
		client.limits.Release(true)
		return
	}
	on.ask(ctx, s, dst)
}

// sourceOnPath is the address from which the client's server is dialled; not
// valid: one that clients share. LAN hosts' addresses are not known here.
func (s *server) sourceOnPath(set *settings, client *member, cpe netip.Addr, dst netip.AddrPort) (netip.Addr, error) {
	rules := s.sourceRules(set)
	choice, err := rules.Choose(&client.source, source.Request{CPE: cpe, Dst: dst.Addr()})
	if err == nil && choice.Addr.IsValid() {
		err = s.returns.Err()
	}
	return choice.Addr, err
}

// onPath is the part of the daemon that takes connections over. A nil one does
// nothing.
type onPath struct {
	way       *onpath.Way
	acceptors []*mptcp.Acceptor
	speakers  *onpath.Speakers // nil: servers that speak MPTCP are taken as others

	mu      sync.Mutex
	members map[netip.Addr]*member // households that no [[client]] names; those beyond maxHouseholds share one
}

// maxHouseholds is how many are told apart.
const maxHouseholds = 4096

// openOnPath makes listeners and rules, which take nothing yet.
func (d *concentrator) openOnPath(cfg *config.Config) (*onPath, error) {
	o := &cfg.OnPath
	if !o.Enabled {
		return nil, nil
	}
	on := &onPath{members: make(map[netip.Addr]*member)}
	lc := mptcp.ListenConfig{MPTCP: true, Mark: cfg.Mark, Transparent: true, V6Only: true, ReceiveBuffer: receiveBuffer, KeepAlive: keepAlive}
	for _, any := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		if !slices.ContainsFunc(o.Sources, func(p netip.Prefix) bool { return p.Addr().Is4() == any.Is4() }) {
			continue
		}
		a, err := lc.Accept(netip.AddrPortFrom(any, o.Port))
		if err != nil {
			on.closeListeners()
			return nil, err
		}
		on.acceptors = append(on.acceptors, a)
	}
	var err error
	late := func(a netip.AddrPort, err error) {
		if err == nil {
			d.log.Info("announced", "address", a)
			return
		}
		d.log.Warn("not announced yet: connections that are taken over have one line only", "address", a, "hint", "after a restart this ends within a minute; else another program listens there", "err", err)
	}
	if on.way, err = onpath.Open(onPathRules(d.server.settings.Load()), o.Announce, late); err != nil {
		on.closeListeners()
		return nil, err
	}
	if o.MPTCPServers == config.MPTCPServersLeave {
		on.speakers = &onpath.Speakers{Speaks: speaks(cfg.Mark), Now: time.Now, Found: func(server netip.AddrPort) {
			d.log.Debug("a server speaks MPTCP and is left alone", "server", server)
			if err := on.way.Leave(server); err != nil {
				d.log.Warn("a server that speaks MPTCP could not be left alone", "server", server, "err", err)
			}
		}}
	}
	d.log.Warn("taking over connections that pass this host, WITHOUT CREDENTIALS: a client is who sends from these addresses, at these interfaces",
		"sources", o.Sources, "interfaces", o.Interfaces, "announced", o.Announce)
	if len(d.store.Clients()) > 0 {
		d.log.Warn("clients with a key use one line only, unless their router takes announced addresses (mode on-path): the kernel tells all peers not to join the address they connect to")
	}
	return on, nil
}

// onPathRules leaves alone, besides what on_path says, where no client may go: to
// take such a connection over would only be to reset it.
func onPathRules(set *settings) onpath.Rules {
	o, where := &set.config.OnPath, set.where.Ranges()
	return onpath.Rules{
		Port: o.Port, Interfaces: o.Interfaces, Sources: o.Sources,
		LeavePorts: slices.Concat(o.LeavePorts, where.DenyPorts),
		Leave:      slices.Concat(o.LeaveDestinations, where.Deny), Allow: where.Allow, Reserved: where.Reserved,
	}
}

// speaks asks a server by a handshake.
func speaks(mark uint32) func(context.Context, netip.AddrPort) (bool, error) {
	return func(ctx context.Context, server netip.AddrPort) (bool, error) {
		d := mptcp.Dialer{Mark: mark}
		c, err := d.Dial(ctx, server, nil)
		if err != nil {
			return false, err
		}
		defer c.Close()
		return mptcp.IsMPTCP(c)
	}
}

// client is the [[client]] whose sources have an address, or else the household
// itself.
func (on *onPath) client(s *server, set *settings, source netip.Addr) *member {
	if name, ok := set.gate.Named(source); ok {
		return set.members[name]
	}
	at := household(source)
	on.mu.Lock()
	defer on.mu.Unlock()
	if m := on.members[at]; m != nil {
		return m
	}
	if len(on.members) >= maxHouseholds {
		at = netip.Addr{}
		if m := on.members[at]; m != nil {
			return m
		}
	}
	name := "on-path/other"
	if at.IsValid() {
		name = "on-path/" + at.String()
	}
	m := &member{name: name, limits: s.admission.Client(name)}
	on.members[at] = m
	return m
}

// ask finds out whether the server speaks MPTCP, where that matters.
func (on *onPath) ask(ctx context.Context, s *server, server netip.AddrPort) {
	if on.speakers != nil {
		s.setups.Add(1)
		on.speakers.Ask(ctx, server, s.setups.Done)
	}
}

// serve accepts until stop.
func (on *onPath) serve(ctx context.Context, s *server) (stop func(), err error) {
	if on == nil {
		return func() {}, nil
	}
	var wg sync.WaitGroup
	for _, a := range on.acceptors {
		wg.Add(1)
		go func() { defer wg.Done(); on.accept(ctx, s, a) }()
	}
	stop = func() {
		if err := on.way.Take(false); err != nil {
			s.log.Error("connections that pass are still taken over", "err", err)
		}
		on.closeListeners()
		wg.Wait()
	}
	if err := on.way.Take(true); err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

func (on *onPath) accept(ctx context.Context, s *server, a *mptcp.Acceptor) {
	for {
		cpe, err := s.engine.Accept(a, func(netip.Addr) bool { return true })
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			s.cannotAccept(ctx, err)
			continue
		}
		s.counters.accepted.Add(1)
		s.setups.Add(1)
		go func() {
			defer s.setups.Done()
			s.takeOver(ctx, cpe, on)
		}()
	}
}

func (on *onPath) closeListeners() {
	for _, a := range on.acceptors {
		a.Close()
	}
}

// take begins or ceases to take connections over: what passes is then routed.
func (on *onPath) take(log *slog.Logger, yes bool) {
	if on != nil {
		on.renewed(log, on.way.Take(yes))
	}
}

// follow makes the rules fit another configuration.
func (on *onPath) follow(log *slog.Logger, set *settings) {
	if on != nil {
		on.renewed(log, on.way.Change(onPathRules(set)))
	}
}

func (on *onPath) renewed(log *slog.Logger, err error) {
	if err != nil {
		log.Error("the rules for connections that pass are as they were", "err", err)
	}
	if on.speakers != nil {
		on.speakers.Forget() // the rules have, too
	}
}

// close undoes what openOnPath did, when the last connection has ended.
func (on *onPath) close(log *slog.Logger) {
	if on == nil {
		return
	}
	on.closeListeners()
	if err := on.way.Close(); err != nil {
		log.Warn("not all rules for connections that pass are gone", "err", err)
	}
}
