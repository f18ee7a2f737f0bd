package upstream

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"tandem/cpe/handshake"
	"tandem/shared/relay"
)

const (
	// patience is how long an answer may take before anybody wonders whether
	// the concentrator still works. The server's own round trip is part of it.
	patience = 250 * time.Millisecond
	// answerLimit ends the wait for a concentrator that works but never
	// answers; it is beyond the time a connection attempt to a server takes.
	answerLimit = 2 * time.Minute
)

// Answer reads the converter's answer to the attempt's request. It comes on
// conn, or on another connection if conn had to be replaced (repair.go); what
// does not answer is closed. After an error, [Attempt.Loose] tells whether the
// request may have been carried out.
func (c *Converter) Answer(ctx context.Context, conn *relay.Socket, a *Attempt, buf []byte) (*relay.Socket, handshake.Answer, []byte, error) {
	if a.warm != nil {
		conn = a.warm.Socket
	}
	got := c.wait(ctx, conn, a, buf)
	return got.conn, got.answer, got.rest, got.err
}

// wait waits for the answer on the connection on which the request was sent,
// and has it repaired if that does not bring it.
func (c *Converter) wait(ctx context.Context, conn *relay.Socket, a *Attempt, buf []byte) answered {
	err := a.failed
	if err == nil && !a.early {
		err = c.await(ctx, conn, a)
	}
	if err == nil {
		var got answered
		if got, err = c.readOn(conn, a, buf); err == nil {
			return got
		}
	}
	if errors.Is(err, errSilent) {
		return c.hedge(ctx, conn, a, buf)
	}
	_ = conn.Reset()
	a.loose = a.loose || unsure(err, a.inSYN())
	c.log.Debug("request not answered", "wan", a.Line.Name, "may_be_carried_out", a.loose, "reason", err)
	switch {
	case !errors.Is(err, errLost):
		return answered{err: err}
	case c.signer == nil: // a second copy could not be told from the first
		return answered{err: c.noAnswer(err)}
	}
	c.repairs.lost.Add(1)
	got := c.repair(ctx, a, buf, new(gate))
	a.loose = a.loose || got.loose
	return got
}

// await waits until an answer begins to arrive. A slow one is waited for as
// long as the converter shows on other connections that it works; when it does
// not, await gives up. errLost says that the connection ended, errSilent that
// the request had better be sent again: the line it went over is gone, or the
// converter's kernel has not acknowledged it.
func (c *Converter) await(ctx context.Context, conn *relay.Socket, a *Attempt) error {
	asked, patient := time.Now(), a.patience()
	for wait := patient; ; wait = min(2*wait, 5*time.Second) {
		for since, end := time.Now(), time.Now().Add(wait); ; {
			err := conn.WaitReadable(min(patience, time.Until(end)))
			switch {
			case err == nil:
				return nil
			case !errors.Is(err, os.ErrDeadlineExceeded):
				return fmt.Errorf("%w: %w", errLost, err)
			case ctx.Err() != nil:
				return context.Cause(ctx)
			case c.signer != nil && (a.cut() || time.Since(asked) >= patient && !delivered(conn)):
				return errSilent
			case time.Since(asked) > answerLimit:
				return fmt.Errorf("no answer within %s", answerLimit)
			}
			if time.Now().Before(end) {
				continue
			}
			if !c.Heard().After(since) {
				if err := c.Verify(ctx); err != nil {
					return err
				}
			}
			break
		}
	}
}

// patience is how long an answer may take before anybody wonders.
func (a *Attempt) patience() time.Duration {
	return max(patience, 3*a.converter.roundTrip(a.Line))
}

// noAnswer books a connection that ended without an answer: the concentrator
// went away in that moment, or turned us off without a word.
func (c *Converter) noAnswer(err error) error {
	go c.Verify(context.Background())
	return fmt.Errorf("no answer: %w", err)
}
