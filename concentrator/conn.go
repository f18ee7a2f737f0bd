package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/tandem-mptcp/tandem/concentrator/authorise"
	"github.com/tandem-mptcp/tandem/concentrator/connect"
	"github.com/tandem-mptcp/tandem/concentrator/receive"
	"github.com/tandem-mptcp/tandem/shared/convert"
	"github.com/tandem-mptcp/tandem/shared/mptcp"
	"github.com/tandem-mptcp/tandem/shared/relay"
)

// One connection from a CPE, from its first byte to its last:
//
//	1 receive     the one Convert message, and the LAN host's bytes behind it
//	2 authorise   who asks, and whether it may go there
//	3 connect     plain TCP to the server, first bytes included
//	4 answer      success, or the Error TLV that tells what happened
//	5 relay       until both sides have ended
//	6 account
func (s *server) handle(ctx context.Context, cpe *net.TCPConn) {
	set := s.settings.Load()
	source := addrOf(cpe.RemoteAddr())

	// 1 receive
	r := s.requests.Get()
	defer s.requests.Put(r)
	if err := r.Read(cpe, time.Now().Add(set.config.Limits.RequestTimeout)); err != nil {
		s.malformed(ctx, cpe, source, set, r, err)
		return
	}

	// 2 authorise
	client, refusal := set.gate.Who(source, r.Cookie())
	if client == nil {
		s.refuse(ctx, cpe, source, refusal, r, set.gate.Answers(source))
		return
	}
	if !r.Message.HasConnect { // Info: a CPE asks whether we work
		_ = s.answer(ctx, cpe, supported)
		hangUp(cpe)
		return
	}
	dst := r.Message.Connect.Addr
	if refusal, ok := set.where.Check(dst); !ok {
		s.refuse(ctx, cpe, source, refusal, r, true)
		return
	}
	if s.engine.Active() >= set.config.Limits.MaxConnections {
		s.counters.overload.Add(1)
		_ = s.answer(ctx, cpe, convert.AppendWait(nil, convert.ResourceExceeded, overloadWait))
		hangUp(cpe)
		return
	}

	// 3 connect
	account := s.ledger.Account(client.Name)
	server, err := s.connect(ctx, set, dst, r.Early())
	if err != nil {
		account.Fail()
		s.counters.failed.Add(1)
		s.unreachable(ctx, cpe, source, dst, r, err)
		return
	}

	// 4 answer
	if err := s.answer(ctx, cpe, success); err != nil {
		_ = mptcp.Reset(server)
		_ = mptcp.Reset(cpe)
		return
	}

	// 5 relay
	s.counters.relayed.Add(1)
	account.Open()
	_ = cpe.SetKeepAliveConfig(keepAlive)
	if _, err := s.engine.Start(cpe, server, relay.Options{Done: func(_ *relay.Flow, r relay.Result) {
		account.Close(r.Up, r.Down) // 6 account
	}}); err != nil {
		account.Close(0, 0)
		_ = mptcp.Reset(server)
		_ = mptcp.Reset(cpe)
	}
}

// keepAlive finds CPEs that are gone. They keep their NAT state alive
// themselves; ours are rarer, for the sake of metered lines.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 300 * time.Second, Interval: 30 * time.Second, Count: 4}

// What is said most often.
var (
	success   = convert.AppendSuccess(nil)
	supported = supportedExtensions()
)

// supportedExtensions is the answer to Info: MPTCP and Fast Open.
func supportedExtensions() []byte {
	m := convert.Message{Supported: []byte{convert.KindMPTCP, convert.KindFastOpen}}
	b, _ := m.Append(nil) // two bytes always fit
	return b
}

// overloadWait is what a CPE is asked to wait when max_connections is reached.
const overloadWait = 10 * time.Second

func (s *server) connect(ctx context.Context, set *settings, dst netip.AddrPort, early []byte) (*net.TCPConn, error) {
	ctx, cancel := context.WithTimeout(ctx, set.config.Limits.ConnectTimeout)
	defer cancel()
	server, err := set.dialer.Dial(ctx, dst)
	if err != nil || len(early) == 0 {
		return server, err
	}
	if _, err := server.Write(early); err != nil {
		_ = mptcp.Reset(server)
		return nil, err
	}
	return server, nil
}

// malformed ends a connection whose first bytes are no request.
func (s *server) malformed(ctx context.Context, cpe *net.TCPConn, source netip.Addr, set *settings, r *receive.Request, err error) {
	s.counters.malformed.Add(1)
	s.perPeer.Line(slog.LevelInfo, household(source), "no valid request", "source", source, "err", err)
	message, action := r.Refuse(nil, err, s.mayHear(set, source, r))
	switch action {
	case convert.SendError:
		_ = s.answer(ctx, cpe, message)
		hangUp(cpe)
	case convert.Close:
		_ = cpe.Close()
	default:
		_ = mptcp.Reset(cpe)
	}
}

// mayHear tells whether a source whose message is refused for its form may be
// told so: clients, and those whom the configuration answers in any case.
func (s *server) mayHear(set *settings, source netip.Addr, r *receive.Request) bool {
	client, _ := set.gate.Who(source, r.Cookie())
	return client != nil || set.gate.Answers(source)
}

// refuse turns a source or its destination down.
func (s *server) refuse(ctx context.Context, cpe *net.TCPConn, source netip.Addr, refusal authorise.Refusal, r *receive.Request, tell bool) {
	s.counters.refused.Add(1)
	s.perPeer.Line(slog.LevelInfo, household(source), "refused", "source", source, "reason", refusal.Why)
	if !tell {
		_ = mptcp.Reset(cpe)
		return
	}
	_ = s.answer(ctx, cpe, refusal.Append(nil, r.Bytes()))
	hangUp(cpe)
}

// unreachable tells the client why the server was not reached.
func (s *server) unreachable(ctx context.Context, cpe *net.TCPConn, source netip.Addr, dst netip.AddrPort, r *receive.Request, err error) {
	s.log.Debug("server not reached", "source", source, "dst", dst, "err", err)
	var why *connect.Error
	if !errors.As(err, &why) { // we are stopping, or the server hung up at once
		why = &connect.Error{Code: convert.ConnectionReset, Err: err}
	}
	_ = s.answer(ctx, cpe, why.Append(nil))
	hangUp(cpe)
}
