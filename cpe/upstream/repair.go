package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/tandem-mptcp/tandem/cpe/handshake"
	"github.com/tandem-mptcp/tandem/shared/credential"
	"github.com/tandem-mptcp/tandem/shared/mptcp"
)

// A request can meet the end of its connection: the concentrator closed a parked
// one in that moment, something on the way has forgotten it and drops what is
// sent, or its only line went away. The same bytes then go out once more on a
// new connection, and the LAN host sees nothing of it.
//
// They are the same down to the nonce, and the concentrator takes a nonce once.
// If it has read the first copy it refuses the second; if it takes the second,
// it will refuse the first, should that arrive after all. So the request is
// carried out at most once, whatever got lost, and there is no need to be
// certain that the first one did before the second is sent. What remains is
// the concentrator's side of the bargain: it does not close a connection on
// which it has taken a request without answering.

// ErrTaken says that the concentrator has taken a request, and the connection
// it came on broke before the answer arrived. It must not be sent again.
var ErrTaken = errors.New("the connection broke after the concentrator had taken the request")

// errLost says that a parked connection ended without an answer.
var errLost = errors.New("closed before it was answered")

// Sent notes what was sent on a connection that the attempt made itself, to be
// sent again if need be. It must not be changed until the answer is there.
func (a *Attempt) Sent(request []byte) { a.sent = request }

// Send sends request on a connection from Warm. It must not be changed until
// the answer is there. A failure is for Answer to repair.
func (a *Attempt) Send(request []byte) {
	a.sent = request
	_, a.failed = a.warm.Write(request)
}

// Abandon gives up a connection from Warm on which nothing was sent.
func (a *Attempt) Abandon() { _ = a.warm.Close() }

// answered is an answer and the connection it came on.
type answered struct {
	conn   *net.TCPConn
	answer handshake.Answer
	rest   []byte
	err    error
}

// answerWarm waits for the answer to what Send sent.
func (c *Converter) answerWarm(ctx context.Context, a *Attempt, buf []byte) answered {
	conn, asked := a.warm.TCPConn, time.Now()
	err := a.failed
	if err == nil {
		err = waitReadable(conn, c.patience())
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if !delivered(conn) {
			return c.hedge(ctx, a, buf)
		}
		// It has the request, and may be slow.
		if err = c.await(ctx, conn, asked, err); err != nil && !errors.Is(err, errLost) {
			_ = mptcp.Reset(conn)
			return answered{err: err}
		}
	}
	if err == nil {
		if got := c.readWarm(a, buf); got.err == nil {
			return got
		}
	}
	_ = mptcp.Reset(conn)
	c.repairs.lost.Add(1)
	return c.repair(ctx, a, buf)
}

// delivered tells whether the concentrator's kernel has acknowledged all that
// was sent.
func delivered(conn *net.TCPConn) bool {
	info, err := mptcp.Inspect(conn)
	return err == nil && info.SendUnacked == info.WriteSeq
}

// readWarm reads the answer that has begun to arrive on a's connection; errLost
// if what arrives is its end.
func (c *Converter) readWarm(a *Attempt, buf []byte) answered {
	n, err := peek(a.warm, buf)
	if err != nil || n == 0 {
		return answered{err: errLost}
	}
	if _, fewer := c.saysFewer(buf[:n], a.warm.Note.(*held).nonce); fewer {
		return answered{err: errLost}
	}
	answer, rest, err := c.readAnswer(a.warm.TCPConn, buf, a.Nonce)
	if err != nil {
		return answered{err: errLost}
	}
	c.pool.Proved(a.warm)
	return answered{a.warm.TCPConn, answer, rest, nil}
}

// repairTries is how often the same bytes go out again. A concentrator that
// closes new connections three times without a word and answers a probe in
// between has taken the request before.
const repairTries = 3

// repair sends a's request on a new connection.
func (c *Converter) repair(ctx context.Context, a *Attempt, buf []byte) answered {
	for range repairTries {
		again, err := c.Plan(Plain, a.Mode)
		if err != nil {
			return answered{err: err}
		}
		conn, err := again.Open(ctx, nil)
		if err != nil {
			return answered{err: err}
		}
		stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
		if _, err = conn.Write(a.sent); err == nil {
			if err = c.await(ctx, conn, time.Now(), nil); err == nil {
				var got answered
				got.answer, got.rest, err = c.readAnswer(conn, buf, a.Nonce)
				if err == nil {
					stop()
					*a = Attempt{Line: again.Line, Mode: again.Mode, Nonce: a.Nonce, converter: c, dialer: again.dialer, to: again.to}
					got.conn = conn
					c.repairs.made.Add(1)
					return got
				}
			}
		}
		stop()
		_ = mptcp.Reset(conn)
		if ctx.Err() != nil {
			return answered{err: context.Cause(ctx)}
		}
		if verr := c.Verify(ctx); verr != nil {
			return answered{err: verr}
		}
	}
	c.repairs.taken.Add(1)
	return answered{err: ErrTaken}
}

// takenPatience is how long a connection that was silent may still bring the
// answer to a request that is known to have been taken.
const takenPatience = 10 * time.Second

// hedge repairs while the connection on which the request was sent may still
// be alive: whichever answers first has it.
func (c *Converter) hedge(ctx context.Context, a *Attempt, buf []byte) answered {
	c.repairs.hedged.Add(1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	original, parked := a.warm.TCPConn, a.warm
	second := *a
	second.sent = bytes.Clone(a.sent) // it may outlive the flow's buffer
	repaired := make(chan answered, 1)
	go func() { repaired <- c.repair(ctx, &second, make([]byte, handshake.AnswerBuffer)) }()
	verified := make(chan error, 1)
	go func() { verified <- c.Verify(ctx) }()
	readable := make(chan error, 1)
	go func() { readable <- waitReadable(original, answerLimit) }()
	giveUp := func() { // the original
		_ = mptcp.Reset(original)
		if readable != nil {
			<-readable
		}
	}
	for {
		select {
		case err := <-readable:
			readable = nil
			if err == nil {
				if got := c.readWarm(a, buf); got.err == nil {
					go discard(repaired)
					return got
				}
			}
			_ = mptcp.Reset(original)
			return c.adopt(a, second, <-repaired)
		case err := <-verified:
			if err != nil { // there is nobody to repair it with
				giveUp()
				go discard(repaired)
				return answered{err: err}
			}
		case got := <-repaired:
			if errors.Is(got.err, ErrTaken) && readable != nil {
				// It is there after all: slow, or its line is gone.
				err := os.ErrDeadlineExceeded
				select {
				case err = <-readable:
					readable = nil
				case <-time.After(takenPatience):
				}
				if err == nil {
					if late := c.readWarm(a, buf); late.err == nil {
						return late
					}
				}
			} else if got.err == nil {
				c.pool.Stale(parked)
			}
			giveUp()
			return c.adopt(a, second, got)
		}
	}
}

// discard closes a repair that nobody waits for any more.
func discard(repaired <-chan answered) {
	if got := <-repaired; got.err == nil {
		_ = mptcp.Reset(got.conn)
	}
}

// adopt makes the flow's attempt the one that was made for its repair.
func (c *Converter) adopt(a *Attempt, second Attempt, got answered) answered {
	if got.err == nil {
		*a = second
	}
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
func (c *Converter) readAnswer(conn *net.TCPConn, buf []byte, nonce credential.Nonce) (handshake.Answer, []byte, error) {
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
