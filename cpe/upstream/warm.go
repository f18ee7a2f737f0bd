package upstream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"tandem/cpe/config"
	"tandem/cpe/handshake"
	"tandem/cpe/warm"
	"tandem/shared/convert"
	"tandem/shared/credential"
	"tandem/shared/mptcp"
)

// held is what is kept of a parked connection.
type held struct {
	attempt *Attempt
	nonce   credential.Nonce // of the Hold, by which a later word is known
}

// KeepWarm makes the converter keep connections ready, from lowest to highest.
// Without a key there are none: a concentrator parks for those only who prove
// who they are. Call it before Run.
//
// With probe, such a connection now and then asks in the SYN to be parked: it
// shows whether a line takes data there, at no cost to a flow.
func (c *Converter) KeepWarm(lowest, highest int, probe bool) error {
	c.probeSYN = probe
	if c.signer == nil || highest == 0 {
		return nil
	}
	pool, err := warm.New(warm.Config{
		Min: lowest, Max: highest,
		Route: func() (warm.Route, bool) { return c.route(c.Mode) }, Open: c.openWarm, Alive: alive, Shed: c.wantsFewer, Reverse: c.reversed,
	})
	c.pool = pool
	return err
}

// Warm takes a connection that is ready for a request, nil if there is none, or
// none on the line where a flow of that mode begins. Send is next.
func (c *Converter) Warm(mode config.Mode) *Attempt {
	if c.pool == nil {
		return nil
	}
	if mode != c.Mode {
		want, _ := c.route(mode)
		if have, _ := c.route(c.Mode); have != want {
			return nil
		}
	}
	conn := c.pool.Take()
	if conn == nil {
		return nil
	}
	a := *conn.Note.(*held).attempt
	a.warm, a.Mode, a.early = conn, mode, false
	c.Joins(conn, a.Line.Name, conn.Parked())
	return &a
}

// Pool returns how the pool is; false: there is none.
func (c *Converter) Pool() (warm.State, bool) {
	if c.pool == nil {
		return warm.State{}, false
	}
	return c.pool.State(), true
}

// route is what connections of a mode should be made over now.
func (c *Converter) route(mode config.Mode) (warm.Route, bool) {
	to, line, err := c.addr(mode)
	if err != nil {
		return warm.Route{}, false
	}
	source, _ := line.Source(to.Addr())
	return warm.Route{Line: line.Name, Source: source, To: to}, true
}

// openWarm connects and has the connection parked. The answer to the Hold is
// what lets the kernel join the other lines.
func (c *Converter) openWarm(ctx context.Context) (*warm.Conn, error) {
	if err := c.Down(); err != nil {
		return nil, err
	}
	attempt, err := c.Plan(Plain, c.Mode)
	if err != nil {
		return nil, err
	}
	if c.tryProbe(attempt.route()) {
		attempt.SynData, attempt.dialer.SynData = true, true
	}
	conn, err := c.hold(ctx, attempt)
	if errors.Is(err, handshake.ErrWrongTime) { // it is right now
		conn, err = c.hold(ctx, attempt)
	}
	if err != nil && ctx.Err() == nil {
		c.log.Debug("no connection made in advance", "wan", attempt.Line.Name, "reason", err)
	}
	return conn, err
}

// tryProbe tells whether this connection should show what its line does with
// data in the SYN.
func (c *Converter) tryProbe(r warm.Route) bool { return c.probeSYN && c.synData.wantsProbe(r) }

var holdBuffers = sync.Pool{New: func() any { return new([handshake.AnswerBuffer]byte) }}

// hold makes one parked connection as attempt says.
func (c *Converter) hold(ctx context.Context, attempt *Attempt) (*warm.Conn, error) {
	request, nonce, err := handshake.AppendHold(nil, c.Wanted, c.signer)
	if err != nil {
		return nil, err
	}
	conn, err := attempt.Open(ctx, request)
	if err != nil {
		return nil, err
	}
	ready := false
	defer func() {
		if !ready {
			conn.Close()
		}
	}()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(max(c.timeout, 4*c.roundTrip(attempt.Line))))
	if attempt.strayed { // it must not be taken for a replay
		if request, nonce, err = handshake.AppendHold(nil, c.Wanted, c.signer); err != nil {
			return nil, err
		}
	}
	if !attempt.SynData {
		if _, err := conn.Write(request); err != nil {
			return nil, err
		}
	}
	buf := holdBuffers.Get().(*[handshake.AnswerBuffer]byte)
	defer holdBuffers.Put(buf)
	answer, rest, err := c.read(conn, buf[:], nonce)
	if err != nil {
		return nil, fmt.Errorf("hold: %w", err)
	}
	if answer.Kind != handshake.Unproven {
		c.Alive()
	}
	switch {
	case answer.Kind == handshake.Busy:
		return nil, &warm.ErrShed{Wait: answer.Wait, Err: answer.Err()}
	case answer.Err() != nil:
		return nil, answer.Err()
	}
	c.NameHosts(answer.WantsOrigin)
	switch {
	case len(rest) > 0: // a connection from outside has waited for it
		r, size, ok := c.parseReverse(rest, nonce)
		if !ok || size != len(rest) || c.Inbound == nil {
			return nil, errors.New("hold: the concentrator sent more than its answer")
		}
		_ = conn.SetDeadline(time.Time{})
		ready = true
		go c.Inbound(&Inbound{Request: r, Attempt: attempt, conn: conn, converter: c})
		return nil, warm.ErrReversed
	}
	isMPTCP, err := mptcp.IsMPTCP(conn)
	if attempt.SynData && err == nil {
		if acked, err := mptcp.SynDataAcked(conn); err == nil {
			c.learnSynData(attempt.route(), acked, isMPTCP)
		}
	}
	if err == nil && (isMPTCP || !attempt.SynData) {
		c.passes.learn(attempt.Line.Name, isMPTCP)
	}
	if err != nil || !isMPTCP {
		return nil, mptcp.ErrNotMPTCP
	}
	if err := mptcp.SetKeepAlive(conn, KeepAlive); err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Time{})
	ready = true
	return &warm.Conn{
		Socket: conn, Note: &held{attempt, nonce},
		Route: attempt.route(),
	}, nil
}

// alive tells whether a parked connection is still MPTCP and nothing came on
// it, an end included.
func alive(w *warm.Conn) bool {
	isMPTCP, err := mptcp.IsMPTCP(w)
	if err != nil || !isMPTCP {
		return false
	}
	_, err = w.Peek(make([]byte, 1))
	return err == unix.EAGAIN
}

// wantsFewer reads what came on a parked connection: Error 64, proven, is the
// concentrator's wish for fewer of them.
func (c *Converter) wantsFewer(w *warm.Conn) (time.Duration, bool) {
	buf := make([]byte, 64)
	n, err := w.Peek(buf)
	if err != nil || n == 0 {
		return 0, false
	}
	return c.saysFewer(buf[:n], w.Note.(*held).nonce)
}

func (c *Converter) saysFewer(b []byte, hold credential.Nonce) (time.Duration, bool) {
	var m convert.Message
	n, err := m.Parse(b, convert.FromConverter)
	if err != nil || !m.HasError || m.Error.Code != convert.ResourceExceeded ||
		c.signer.Check(b[:n], &m, hold) != credential.Proven {
		return 0, false
	}
	wait, _ := m.Error.Wait()
	return wait, true
}
