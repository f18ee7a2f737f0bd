package main

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"tandem/cpe/config"
	"tandem/cpe/firstbytes"
	"tandem/cpe/flows"
	"tandem/cpe/handshake"
	"tandem/cpe/intercept"
	"tandem/cpe/policy"
	"tandem/cpe/ruleset"
	"tandem/cpe/upstream"
	"tandem/shared/convert"
	"tandem/shared/logline"
	"tandem/shared/nocmp"
	"tandem/shared/relay"
	"tandem/shared/wrapped"
)

// One LAN connection from its first byte to its last:
//
//	1 intercept    who wants to reach whom
//	2 policy       relay it, let it go direct, or refuse it
//	3 dial         MPTCP to the concentrator, first subflow over the best line
//	4 convert      request and the LAN host's first bytes in one write
//	5 answer       the concentrator's verdict, before any byte of the server
//	6 relay        until both sides have ended
//	7 account
//
// Where the concentrator fails in steps 3 to 5, nothing of the connection is
// lost yet: the first bytes are still at hand, and it goes direct. Not so where
// the concentrator may have passed them on already: what a server is told twice
// it may do twice, so such a connection ends.
func (p *proxy) handle(ctx context.Context, lan *relay.Socket) {
	f := &flow{lan: lan, log: p.log, started: time.Now(), first: firstbytes.New()}
	defer f.first.Release()

	// 1 intercept
	f.src, f.dst = intercept.Flow(lan)
	if o := p.held.take(f.src, f.dst); o != nil {
		p.letIn(f, o) // hold.go took the steps 2 to 5 before it was accepted
		return
	}
	if p.settings.Load().policy.NeedsSYN() {
		f.syn = intercept.ReadSYN(lan)
	}
	p.reach(ctx, f)
}

// reach takes the steps from 2 on.
func (p *proxy) reach(ctx context.Context, f *flow) {
	// 2 policy
	s := p.settings.Load()
	switch decision := s.policy.Decide(policy.Flow{Src: f.src, Dst: f.dst, SYN: f.syn}); decision.Verdict {
	case policy.Refuse:
		p.refuse(f, ruleset.Reset, decision.Reason)
		return
	case policy.Relay:
		f.mode = decision.Mode
		for tried := false; !tried; {
			for _, c := range s.concentrators {
				asks := func() bool { return c.Usable() && !c.spared.has(f.dst.Addr(), time.Now()) }
				if !asks() {
					c.Miss()
					continue
				}
				var err error
				if c.OnPath {
					err = p.relayOnPath(ctx, c, f)
				} else {
					err = p.relayThrough(ctx, c, s, f)
				}
				server, final := wrapped.Find[serverError](err)
				if err != nil && !c.OnPath && !final && !f.told() && asks() && c.Heard().After(f.started) {
					// It works, as others hear: a line must have died under us.
					err = p.relayThrough(ctx, c, s, f)
					server, final = wrapped.Find[serverError](err)
				}
				switch {
				case err == nil:
					return
				case final:
					p.turnDown(f, server)
					return
				case f.told():
					p.refuse(f, ruleset.Reset, "the concentrator may have passed on what the LAN host said: "+err.Error())
					return
				default:
					f.log.Debug("not through this concentrator", "concentrator", c.Name, "dst", f.dst, "reason", err)
				}
			}
			// A reload meanwhile may have brought another key: the flow that was
			// signed with the former one takes part.
			next := p.settings.Load()
			tried, s = slices.Equal(next.concentrators, s.concentrators), next
		}
		if s.config.OnFailure == config.FailRefuse {
			p.refuse(f, ruleset.Reset, "no concentrator is usable and on_failure is refuse")
			return
		}
	}
	p.goDirect(ctx, f)
}

// flow is one LAN connection on its way through the steps.
type flow struct {
	_        nocmp.Field
	lan      *relay.Socket // nil while its SYN is held (hold.go)
	src, dst netip.AddrPort
	syn      *policy.SYN // nil where no rule asks for it
	mode     config.Mode
	first    *firstbytes.Buffer
	started  time.Time
	log      *logline.Logger
	// loose: the request is somewhere on its way, and may be carried out.
	loose bool

	outcome outcome // of a held one
}

// told tells whether the server may hear the LAN host's first bytes, or has.
func (f *flow) told() bool { return f.loose && len(f.first.Bytes()) > 0 }

// serverError is the concentrator's word that the server itself cannot be
// reached: what goes direct would meet the same.
type serverError struct {
	error
	said bool // by the server or the way to it, as how tells
	how  ruleset.Refusal
}

// relayThrough takes the steps 3 to 6 with one concentrator. When it returns
// an error, the LAN connection and its first bytes are untouched.
func (p *proxy) relayThrough(ctx context.Context, c *concentrator, s *settings, f *flow) error {
	var before []handshake.Kind // what has been retried for; once each
	for {
		up, attempt, err := p.request(ctx, c, s, f)
		if err == nil {
			up, err = p.answer(ctx, c, f, up, attempt)
		}
		if err == nil {
			return nil
		}
		f.loose = f.loose || attempt != nil && attempt.Loose()
		if up != nil {
			_ = up.Reset()
		}
		again, may := wrapped.Find[retry](err)
		if !may || slices.Contains(before, again.Kind) || f.told() {
			return err
		}
		before = append(before, again.Kind)
	}
}

// request takes the steps 3 and 4: when it returns, request and first bytes
// are on their way.
func (p *proxy) request(ctx context.Context, c *concentrator, s *settings, f *flow) (*relay.Socket, *upstream.Attempt, error) {
	if s.config.FirstByte.Warm() {
		if attempt := c.Warm(f.mode); attempt != nil {
			return nil, attempt, p.requestWarm(c, s, f, attempt)
		}
	}
	var header [256]byte
	request, nonce, err := c.AppendConnect(header[:0], f.dst, f.src.Addr())
	if err != nil {
		return nil, nil, err
	}
	for again := false; ; again = true {
		attempt, err := c.Plan(wayOf(s.config.FirstByte), f.mode)
		if err != nil {
			return nil, nil, err
		}
		attempt.Nonce = nonce
		up, err := p.requestOn(ctx, s, f, attempt, request)
		if err == nil || again || !attempt.Superseded() {
			return up, attempt, err
		}
		f.loose = f.loose || attempt.Loose()
		// The line went away under it. The other one leads there as well.
		if err := c.Again(request); err != nil {
			return nil, nil, err
		}
	}
}

// wayOf says how a request travels that found no warm connection.
func wayOf(b config.FirstByte) upstream.Way {
	switch b {
	case config.FirstByteAuto:
		return upstream.SYNIfProven
	case config.FirstByteSYN:
		return upstream.SYN
	}
	return upstream.Plain
}

// requestOn sends the request on a connection of its own.
func (p *proxy) requestOn(ctx context.Context, s *settings, f *flow, attempt *upstream.Attempt, request []byte) (*relay.Socket, error) {
	if attempt.SynData && f.lan != nil {
		if err := p.waitFirst(s, f); err != nil {
			return nil, err
		}
	}
	up, err := attempt.Open(ctx, f.first.With(request))
	if err != nil {
		return nil, err
	}
	if attempt.SynData {
		attempt.Sent(f.first.With(request))
		return up, nil
	}
	if err := attempt.Renew(request); err != nil {
		_ = up.Reset()
		return nil, err
	}
	// While the handshake took its round trip, the LAN host has spoken.
	if f.lan != nil {
		if err := f.first.Take(f.lan); err != nil {
			_ = up.Reset()
			return nil, serverError{error: err}
		}
	}
	attempt.Send(up, f.first.With(request))
	return up, nil
}

// requestWarm sends the request on a connection that was made in advance.
// Should that fail, Answer repairs it.
func (p *proxy) requestWarm(c *concentrator, s *settings, f *flow, attempt *upstream.Attempt) error {
	if f.lan != nil {
		if err := p.waitFirst(s, f); err != nil {
			attempt.Abandon()
			return err
		}
	}
	var header [256]byte
	request, nonce, err := c.AppendConnect(header[:0], f.dst, f.src.Addr())
	if err != nil {
		attempt.Abandon()
		return err
	}
	attempt.Nonce = nonce
	attempt.Send(nil, f.first.With(request))
	return nil
}

// waitFirst waits a moment for the LAN host's first bytes, where it is likely
// to speak first.
func (p *proxy) waitFirst(s *settings, f *flow) error {
	port := f.dst.Port()
	wait := p.ports.Wait(port, s.firstBytesWait(port))
	if err := f.first.Wait(f.lan, wait); err != nil {
		return serverError{error: err}
	}
	if wait > 0 {
		p.ports.Learn(port, f.first.EOF || len(f.first.Bytes()) > 0)
	}
	return nil
}

// answer takes the steps 5 and 6: the concentrator's verdict, and the relay if
// it is good. With an error it returns the connection that is still open, if
// any.
func (p *proxy) answer(ctx context.Context, c *concentrator, f *flow, up *relay.Socket, attempt *upstream.Attempt) (*relay.Socket, error) {
	buf := p.answers.Get().(*[handshake.AnswerBuffer]byte)
	defer p.answers.Put(buf)
	// 5 answer
	up, answer, rest, err := c.Answer(ctx, up, attempt, buf[:])
	if errors.Is(err, upstream.ErrTaken) {
		return nil, serverError{error: err} // going direct would send it twice
	}
	if err != nil {
		return nil, err
	}
	isMPTCP := attempt.Learn(up)
	if err := verdict(c, f.dst.Addr(), answer); err != nil {
		return up, err
	}
	if f.lan == nil {
		f.outcome = outcome{opened: &opened{up: up, rest: slices.Clone(rest), begin: func(lan *relay.Socket) error {
			f.lan = lan
			return p.join(c, f, up, attempt, isMPTCP, len(rest))
		}}}
		return up, nil
	}
	if _, err := f.lan.Write(rest); err != nil {
		return up, serverError{error: err} // the LAN host is gone
	}
	// 6 relay
	return up, p.join(c, f, up, attempt, isMPTCP, len(rest))
}

// retry asks for the same request on a new connection, signed anew.
type retry struct{ handshake.Answer }

func (r retry) Error() string { return r.Err().Error() }

// verdict turns an answer into nil (go on), a serverError (the LAN host gets a
// reset), a retry, or another error (not through this concentrator).
func verdict(c *concentrator, dst netip.Addr, a handshake.Answer) error {
	switch a.Kind {
	case handshake.Accepted:
		return nil
	case handshake.Refused:
		return serverError{a.Err(), true, ruleset.Reset}
	case handshake.Unreachable:
		return serverError{a.Err(), true, ruleset.Unreachable}
	case handshake.NeedsCookie:
		c.SetCookie(a.Cookie)
		return retry{a}
	case handshake.NeedsOrigin:
		c.NameHosts(true)
		return retry{a}
	case handshake.WrongTime:
		return retry{a}
	case handshake.Busy:
		// Error 65 may be about this destination only, such as an IPv6 one
		// where the concentrator has IPv4: the others go on.
		if a.Code == convert.ResourceExceeded {
			c.Fail(a.Err(), a.Wait)
		} else {
			c.spared.add(dst, time.Now(), a.Wait)
		}
	}
	return a.Err()
}

// join hands both connections to the relay; step 7 follows when it is done. Down
// is how many bytes came with the answer.
func (p *proxy) join(c *concentrator, f *flow, up *relay.Socket, attempt *upstream.Attempt, isMPTCP bool, down int) error {
	p.counters.relayed.Add(1)
	if isMPTCP {
		p.counters.mptcp.Add(1)
	}
	host := p.ledger.Account("host/" + f.src.Addr().String())
	host.Open()
	listed := &flows.Flow{
		Host: f.src, Destination: f.dst, Started: f.started, Mode: f.mode.String(), Steering: f.mode,
		Concentrator: c.Name, Line: attempt.Line.Name, OnPath: c.OnPath,
	}
	options := relay.Options{Before: relay.Moved{Up: len(f.first.Bytes()), Down: down}}
	return p.carry(listed, f.lan, up, options, func(ended *relay.Flow, r relay.Result) {
		host.Close(r.Up, r.Down)
		c.FlowEnded(attempt, ended.Server(), r.Down)
		c.Joins(ended.Server(), attempt.Line.Name, f.started)
		p.bookLines(ended.Server(), attempt, r)
		if f.log.Enabled(logline.Debug) { // else all of this would go to the heap for nothing
			f.log.Debug("flow ended", "src", f.src, "dst", f.dst, "up", r.Up, "down", r.Down, "err", r.Err, "took", time.Since(f.started))
		}
	})
}

// carry lists the flow while the relay has it.
func (p *proxy) carry(listed *flows.Flow, lan, up *relay.Socket, o relay.Options, done func(*relay.Flow, relay.Result)) error {
	p.flows.Add(listed)
	o.Done = func(ended *relay.Flow, r relay.Result) {
		p.flows.Remove(listed)
		done(ended, r)
	}
	running, err := p.engine.Start(lan, up, o)
	if err != nil {
		p.flows.Remove(listed)
		return err
	}
	listed.Attach(running)
	return nil
}

// turnDown gives the LAN host the server's refusal. Who was accepted already
// gets a reset, and sees the truth when it tries again.
func (p *proxy) turnDown(f *flow, server serverError) {
	switch {
	case f.lan == nil && !server.said:
		f.outcome = outcome{silent: true} // it tries again by itself
		p.refuse(f, ruleset.Reset, server.Error())
		return
	case f.lan != nil && server.said:
		p.refusals.Add(f.dst, server.how)
	}
	p.refuse(f, server.how, server.Error())
}

// refuse gives the LAN host a reset, or in answer to its SYN what how says.
func (p *proxy) refuse(f *flow, how ruleset.Refusal, reason string) {
	p.counters.refused.Add(1)
	f.log.Debug("flow refused", "src", f.src, "dst", f.dst, "reason", reason)
	if f.lan == nil {
		f.outcome.how = how
		return
	}
	_ = f.lan.Reset()
}
