package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"tandem/cpe/handshake"
	"tandem/cpe/uplink"
	"tandem/shared/credential"
	"tandem/shared/mptcp"
	"tandem/shared/relay"
)

// A request can meet the end of its connection: the concentrator closed a parked
// one in that moment, something on the way has forgotten it and drops what is
// sent, or its line went away, with the request or with the answer. The same
// bytes then go out once more on a new connection, and the LAN host sees nothing
// of it.
//
// They are the same down to the nonce, and the concentrator takes a nonce once.
// Only the number of the copy differs. If the concentrator has read the first
// copy and its answer has not arrived, it answers on the connection that the
// second copy came on, and ends the first. If the answer has arrived, it refuses
// the second copy. If it reads the second one first, it ends the other. So the request is carried out at most once, whatever got
// lost, and once a second copy is out the concentrator's word decides which of
// the two goes on: an answer that comes on the first connection counts only when
// the second was refused.
//
// What remains is the concentrator's side of the bargain: it does not close a
// connection on which it has taken a request without answering.

// ErrTaken says that the concentrator has taken a request, and the connection
// it came on broke before the answer arrived. It must not be sent again.
var ErrTaken = errors.New("the connection broke after the concentrator had taken the request")

var (
	// errLost says that a connection ended without an answer.
	errLost = errors.New("closed before it was answered")
	// errSilent says that a connection had better be replaced.
	errSilent = errors.New("silent")
)

// Loose tells whether the request was sent and may have been carried out,
// though no answer says so. Then it must not be made anew.
func (a *Attempt) Loose() bool { return a.loose }

// unsure tells whether a request may be carried out whose connection ended with
// err. One that the concentrator ends without an answer has carried out nothing.
// Only where the request came in the SYN the server hears of it before we do;
// there a concentrator that refuses sends a reset, and one that dies an end. Who
// turns our key down now has not served it a moment ago.
func unsure(err error, inSYN bool) bool {
	ends := []error{io.EOF, unix.ECONNRESET, unix.EPIPE, unix.ENOTCONN, errFewer, errReversed, errUnwanted}
	if inSYN {
		ends = []error{unix.ECONNRESET, errUnwanted}
	}
	return !slices.ContainsFunc(ends, func(end error) bool { return errors.Is(err, end) })
}

// inSYN tells whether the request itself went in the SYN of the attempt's first
// connection. A parked one may have had its Hold there.
func (a *Attempt) inSYN() bool { return (a.SynData || a.strayed) && a.warm == nil }

// Renew makes request the next copy of itself, if it may be on its way already.
// It does so after Open, and before the LAN host's bytes are put behind.
func (a *Attempt) Renew(request []byte) error {
	if !a.strayed {
		return nil
	}
	return a.converter.Again(request)
}

// Sent notes what was sent on a connection that the attempt made itself, to be
// sent again if need be. It must not be changed until the answer is there.
func (a *Attempt) Sent(request []byte) { a.sent = request }

// Send sends request on a connection from Open or, where that is nil, from Warm.
// It must not be changed until the answer is there. A failure is for Answer to
// repair.
func (a *Attempt) Send(conn *relay.Socket, request []byte) {
	if conn == nil {
		conn = a.warm.Socket
	}
	a.sent = request
	if _, err := conn.Write(request); err != nil {
		a.failed = fmt.Errorf("%w: %w", errLost, err)
	}
}

// cut tells whether the line that the connection was made over has gone since,
// be it for a moment: what the other end sends there comes to nothing.
func (a *Attempt) cut() bool {
	for _, w := range a.converter.lines() {
		if w.Name == a.Line.Name {
			source, ok := w.Source(a.to.Addr())
			return !w.Up || !ok || source != a.dialer.Source || !w.Since.Equal(a.Line.Since)
		}
	}
	return true
}

// Abandon gives up a connection from Warm on which nothing was sent.
func (a *Attempt) Abandon() { _ = a.warm.Close() }

// answered is an answer and the connection it came on.
type answered struct {
	conn   *relay.Socket
	answer handshake.Answer
	rest   []byte
	err    error
	loose  bool // with err: a copy that was sent may be carried out
}

// delivered tells whether the concentrator's kernel has acknowledged all that
// was sent.
func delivered(conn *relay.Socket) bool {
	info, err := mptcp.Inspect(conn)
	if errors.Is(err, mptcp.ErrNotMPTCP) {
		return true // TCP itself makes the best of it
	}
	return err == nil && info.SendUnacked == info.WriteSeq
}

// errFewer is Error 64 on a parked connection, which crossed our request.
var errFewer = errors.New("the concentrator wants fewer connections")

// errReversed is a connection from outside, for which the concentrator took the
// parked connection in the moment of our request.
var errReversed = errors.New("the concentrator wanted the connection itself")

// readOn reads the answer that has begun to arrive on the attempt's connection;
// errLost if what arrives is its end.
func (c *Converter) readOn(conn *relay.Socket, a *Attempt, buf []byte) (answered, error) {
	if a.warm != nil {
		n, err := a.warm.Peek(buf)
		if err == nil && n > 0 {
			hold := a.warm.Note.(*held).nonce
			if _, fewer := c.saysFewer(buf[:n], hold); fewer {
				return answered{}, fmt.Errorf("%w: %w", errLost, errFewer)
			}
			if _, _, reversed := c.parseReverse(buf[:n], hold); reversed {
				return answered{}, fmt.Errorf("%w: %w", errLost, errReversed)
			}
		}
	}
	answer, rest, err := c.readAnswer(conn, buf, a.Nonce)
	if err != nil {
		return answered{}, err
	}
	if a.warm != nil {
		c.pool.Proved(a.warm)
	}
	return answered{conn: conn, answer: answer, rest: rest}, nil
}

// gate decides between a connection that begins to answer after all and a
// second copy of its request that is about to be sent.
type gate struct{ state atomic.Int32 }

const (
	gateSent     = 1 // the copy is out
	gateAnswered = 2 // the copy is not needed
)

// send asks whether a copy may go out.
func (g *gate) send() bool { return g.state.CompareAndSwap(0, gateSent) || g.state.Load() == gateSent }

// answered asks whether the first connection's answer may be taken at once.
func (g *gate) answered() bool {
	if g.state.CompareAndSwap(0, gateAnswered) {
		return true
	}
	g.state.Store(gateAnswered) // no more copies
	return false
}

// repairTries is how often the same bytes go out again. A concentrator that
// closes new connections three times without a word and answers a probe in
// between has taken the request before.
const repairTries = 3

// repair sends a's request on a new connection. One that was silent is not
// trusted, nor is its line: another one is tried first.
func (c *Converter) repair(ctx context.Context, a *Attempt, buf []byte, g *gate) answered {
	loose := false
	for range repairTries {
		again, err := c.Plan(Plain, a.Mode)
		if err != nil {
			return answered{err: err, loose: loose}
		}
		if other, ok := uplink.Next(c.lines(), again.to.Addr(), a.Mode, a.Line.Name); ok && a.silent {
			again = c.over(other, again.to, Plain)
			again.Mode = a.Mode
		}
		conn, err := again.Open(ctx, nil)
		if err != nil {
			return answered{err: err, loose: loose}
		}
		if !g.send() {
			_ = conn.Reset()
			return answered{err: ErrTaken, loose: loose}
		}
		stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
		got := c.repairOn(ctx, conn, a, again, buf)
		stop()
		if got.err == nil && a.silent && got.answer.Kind == handshake.WrongTime {
			// The first copy hears the same, unless it has been taken: its own
			// connection tells, if only late.
			_ = conn.Reset()
			return answered{err: handshake.ErrWrongTime, loose: loose}
		}
		if got.err == nil {
			// A concentrator that was started anew tells of this copy, and not of
			// one that its former run may have had.
			k := got.answer.Kind
			loose = (loose || a.loose) && k != handshake.Accepted && k != handshake.Refused && k != handshake.Unreachable
			*a = Attempt{Line: again.Line, Mode: again.Mode, Nonce: a.Nonce, converter: c, dialer: again.dialer, to: again.to, loose: loose}
			c.repairs.made.Add(1)
			return got
		}
		_ = conn.Reset()
		loose = loose || unsure(got.err, false)
		if ctx.Err() != nil {
			return answered{err: context.Cause(ctx), loose: loose}
		}
		if !g.send() {
			return answered{err: ErrTaken, loose: loose}
		}
		if err := c.Verify(ctx); err != nil {
			return answered{err: err, loose: loose}
		}
	}
	c.repairs.taken.Add(1)
	return answered{err: ErrTaken, loose: loose}
}

// repairOn sends the next copy of a's request on a connection that was made for
// it.
func (c *Converter) repairOn(ctx context.Context, conn *relay.Socket, a, again *Attempt, buf []byte) (got answered) {
	if got.err = c.Again(a.sent); got.err != nil {
		return got
	}
	if _, got.err = conn.Write(a.sent); got.err != nil {
		return got
	}
	if got.err = c.await(ctx, conn, again); got.err != nil {
		return got
	}
	got.conn = conn
	got.answer, got.rest, got.err = c.readAnswer(conn, buf, a.Nonce)
	return got
}

// Repairs counts what became of requests on parked connections that were not
// answered there at once.
type Repairs struct {
	Lost   int64 // the connection had ended
	Hedged int64 // nothing was heard, and the request not acknowledged
	Made   int64 // answered on another connection
	Taken  int64 // not sent again, since the concentrator had taken it: the flow failed
}

// Repairs returns the counters since start.
func (c *Converter) Repairs() Repairs {
	r := &c.repairs
	return Repairs{r.lost.Load(), r.hedged.Load(), r.made.Load(), r.taken.Load()}
}

// readAnswer reads an answer of which the first byte is there.
func (c *Converter) readAnswer(conn *relay.Socket, buf []byte, nonce credential.Nonce) (handshake.Answer, []byte, error) {
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	answer, rest, err := c.read(conn, buf, nonce)
	_ = conn.SetReadDeadline(time.Time{})
	if err != nil {
		return answer, nil, fmt.Errorf("%w: %w", errLost, err)
	}
	if answer.Kind != handshake.Unproven {
		c.Alive()
	}
	return answer, rest, nil
}
