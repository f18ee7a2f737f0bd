package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"tandem/concentrator/bindlog"
	"tandem/concentrator/connect"
	"tandem/concentrator/receive"
	"tandem/shared/convert"
	"tandem/shared/credential"
	"tandem/shared/mptcp"
	"tandem/shared/origin"
	"tandem/shared/relay"
	"tandem/shared/reverse"
)

// One connection from a CPE, from its first byte to its last:
//
//	1 receive     the one Convert message, and the LAN host's bytes behind it
//	2 authorise   who asks, whether it may go there, and whether it has enough
//	3 connect     plain TCP to the server, first bytes included
//	4 answer      success, or the Error TLV that tells what happened
//	5 relay       until both sides have ended
//	6 account
//
// A connection made in advance goes through 1 and 2 twice: its first message
// parks it (parked.go), its second one is the request.
func (s *server) handle(ctx context.Context, cpe *relay.Socket, entered *pendingConn, parked bool) {
	defer s.pending.leave(entered)
	set := s.settings.Load()
	source := entered.source

	// 1 receive
	r := s.requests.Get()
	defer s.requests.Put(r)
	if err := r.Read(cpe, time.Now().Add(set.config.Limits.RequestTimeout)); err != nil {
		if parked && len(r.Bytes()) == 0 { // the CPE did not need it
			cpe.Close()
			return
		}
		s.malformed(ctx, cpe, source, set, r, err)
		return
	}

	// 2 authorise
	client, proof, no := s.who(set, source, r)
	if client == nil {
		if proof.Verdict == credential.Replayed && whole(cpe) && s.exchanges.offer(proof, cpe, r.Early()) {
			return // the line died on which it came first
		}
		if !no.blameless {
			s.blame(set, cpe, source)
		}
		s.refuse(ctx, cpe, source, no)
		return
	}
	s.pending.leave(entered) // it is a stranger no more
	if proof.Key != nil {
		s.front.Proven(household(source))
	}
	if s.draining.Load() {
		_ = s.answer(ctx, cpe, sign(proof, convert.AppendWait(nil, convert.ResourceExceeded, busyWait)))
		hangUp(cpe)
		return
	}
	if hold, ok := r.Message.Lookup(credential.TypeHold); ok && !r.Message.HasConnect {
		if proof.Key != nil {
			s.forwards.Want(client.name, reverse.ParseWanted(hold.Value))
		}
		s.hold(ctx, cpe, source, set, client, proof, len(r.Early()))
		return
	}
	if !r.Message.HasConnect { // Info: a CPE asks whether we work
		_ = s.answer(ctx, cpe, sign(proof, s.supported(set, client)))
		hangUp(cpe)
		return
	}
	dst := r.Message.Connect.Addr
	if no, ok := client.where.Check(dst); !ok {
		s.refuse(ctx, cpe, source, refusal{answer: sign(proof, no.Append(nil, r.Echo())), why: no.Why})
		return
	}
	from, ok := s.sourceFor(ctx, set, client, proof, cpe, r, dst)
	if !ok {
		return
	}
	admitted := client.limits.Admit(time.Now())
	if !admitted.OK {
		s.counters.overload.Add(1)
		s.perClient.Line(slog.LevelInfo, client.name, "over a limit", "client", client.name, "reason", admitted.Why)
		_ = s.answer(ctx, cpe, sign(proof, admitted.Append(nil)))
		hangUp(cpe)
		return
	}

	// 3 connect
	account := s.ledger.Account(client.name)
	early, later := r.Early(), []byte(nil)
	said := len(early)
	x := s.exchanges.begin(proof, said)
	defer s.exchanges.end(x)
	inSYN, halfOpen := false, false
	if !parked {
		inSYN, halfOpen, _ = mptcp.Handshake(cpe)
	}
	if !inSYN {
		// The CPE sends a request again when its connection ends without an
		// answer. So the server hears nothing before the CPE has been answered:
		// should this process die in between, nothing happens twice. Only what
		// came in the SYN would have to wait a round trip for that.
		early, later = nil, early
	}
	server, binding, err := s.connect(ctx, set, client, from, dst, said > 0, early)
	if err != nil {
		client.limits.Release(false)
		account.Fail()
		s.counters.failed.Add(1)
		s.unreachable(ctx, x, cpe, halfOpen, client, proof, dst, err)
		return
	}
	client.limits.Connected()

	// 4 answer
	s.counters.relayed.Add(1)
	account.Open()
	ended := func() { binding.End(); client.limits.Release(true) }
	cpe, moved, err := s.hand(ctx, x, cpe, halfOpen, server, sign(proof, convert.AppendSuccess(nil)), later)
	if err != nil {
		account.Close(0, int64(moved))
		_ = server.Reset()
		_ = cpe.Reset()
		ended()
		return
	}
	client.limits.Down().Reserve(moved)
	s.exchanges.end(x)

	// 5 relay
	flow, err := s.engine.Start(cpe, server, relay.Options{
		Up: client.limits.Up(), Down: client.limits.Down(), Tag: client,
		Before: relay.Moved{Up: said, Down: moved},
		Done: func(_ *relay.Flow, res relay.Result) {
			account.Close(res.Up, res.Down) // 6 account
			ended()
		},
	})
	if err != nil {
		account.Close(0, int64(moved))
		_ = server.Reset()
		_ = cpe.Reset()
		ended()
		return
	}
	if client.identity != nil && !s.keys.store.Enabled(client.name) {
		flow.Abort(errCut) // while its server was dialled
	}
}

// keepAlive finds CPEs that are gone. They keep their NAT state alive
// themselves; ours are rarer, for the sake of metered lines.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 300 * time.Second, Interval: 30 * time.Second, Count: 4}

// supported is the answer to Info: MPTCP and Fast Open, and whether we must know
// the LAN host.
func (s *server) supported(set *settings, client *member) []byte {
	m := convert.Message{Supported: []byte{convert.KindMPTCP, convert.KindFastOpen}}
	if rules := s.sourceRules(set); rules.WantsHost(&client.source) {
		m.Private = []convert.Raw{origin.Wanted()}
	}
	b, _ := m.Append(nil) // so little always fits
	return b
}

// connect dials the server, from the given address or, where that is not valid,
// from one that clients share, and sends it early. More or all of what the LAN
// host says may follow soon.
func (s *server) connect(ctx context.Context, set *settings, client *member, from netip.Addr, dst netip.AddrPort, soon bool, early []byte) (*relay.Socket, *bindlog.Binding, error) {
	d, book := set.dialer, set.own
	d.Soon, d.Patience = soon, set.config.Limits.ConnectTimeout
	if d.Source, d.Transparent = from, from.IsValid(); !d.Transparent {
		d.Source, book = set.sources.For(client.name, dst.Addr().Unmap().Is6()), set.book
	}
	var server *relay.Socket
	binding, err := book.Dial(client.name, d.Source, dst, func(port uint16) (local netip.AddrPort, err error) {
		d.Port = port
		if server, err = d.Dial(ctx, s.engine, dst); err != nil {
			return local, err
		}
		return server.Local(), nil
	})
	if err != nil || len(early) == 0 {
		return server, binding, err
	}
	if _, err := server.Write(early); err != nil {
		_ = server.Reset()
		binding.End()
		return nil, nil, err
	}
	return server, binding, nil
}

// malformed ends a connection whose first bytes are no request. Only clients
// are told what is wrong with it, and whom the configuration answers in any
// case. One that ends without a byte is nobody's failure: a router looks whether
// its line works, or another of its lines was faster.
func (s *server) malformed(ctx context.Context, cpe *relay.Socket, source netip.Addr, set *settings, r *receive.Request, err error) {
	s.counters.malformed.Add(1)
	client, proof, no := s.who(set, source, r)
	unsaid := len(r.Bytes()) == 0 && (errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.ENOTCONN))
	if client == nil && !no.blameless && !unsaid {
		s.blame(set, cpe, source)
	}
	message, action := r.Refuse(nil, err, client != nil || set.gate.Answers(source))
	switch action {
	case convert.SendError:
		if client != nil {
			message = sign(proof, message)
		}
		_ = s.answer(ctx, cpe, message)
		hangUp(cpe)
	case convert.Close:
		s.settle(ctx, cpe)
		_ = cpe.Close()
	default:
		s.settle(ctx, cpe)
		_ = cpe.Reset()
	}
	level := slog.LevelInfo
	if unsaid {
		level = slog.LevelDebug
	}
	s.perPeer.Line(level, household(source), "no valid request", "source", source, "err", err)
}

// refuse turns a source or its destination down.
func (s *server) refuse(ctx context.Context, cpe *relay.Socket, source netip.Addr, no refusal) {
	s.counters.refused.Add(1)
	if no.answer == nil {
		s.settle(ctx, cpe)
		_ = cpe.Reset()
	} else {
		_ = s.answer(ctx, cpe, no.answer)
		hangUp(cpe)
	}
	s.perPeer.Line(slog.LevelInfo, household(source), "refused", "source", source, "reason", no.why)
}

// unreachable tells the client why the server was not reached.
func (s *server) unreachable(ctx context.Context, x *exchange, cpe *relay.Socket, halfOpen bool, client *member, proof credential.Result, dst netip.AddrPort, err error) {
	s.log.Debug("server not reached", "client", client.name, "dst", dst, "err", err)
	var why *connect.Error
	switch {
	case errors.As(err, &why):
	case errors.Is(err, bindlog.ErrNoPort):
		why = &connect.Error{Code: convert.ResourceExceeded, Value: convert.WaitSeconds(busyWait), Err: err}
	case errors.Is(err, context.Canceled):
		// We are stopping, and the server has heard nothing: not its refusal.
		why = &connect.Error{Code: convert.ResourceExceeded, Value: convert.WaitSeconds(busyWait), Err: err}
	default: // the server hung up at once
		why = &connect.Error{Code: convert.ConnectionReset, Err: err}
	}
	cpe, _ = s.deliver(ctx, x, cpe, halfOpen, sign(proof, why.Append(nil)))
	hangUp(cpe)
}

// whole tells whether a connection's handshake is complete, so that its source
// is who it says it is.
func whole(cpe *relay.Socket) bool {
	done, err := mptcp.Established(cpe)
	return done && err == nil
}
