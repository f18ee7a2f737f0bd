package upstream

import (
	"bytes"
	"context"
	"time"

	"tandem/cpe/handshake"
	"tandem/shared/relay"
)

const (
	// takenPatience is how long a connection that was silent may still bring
	// the answer to a request that is known to have been taken.
	takenPatience = 10 * time.Second
	// verdictPatience is how long the concentrator may take to say which of two
	// copies goes on, when one has an answer.
	verdictPatience = 3 * time.Second
)

// hedge repairs while the connection on which the request was sent may still
// be alive.
func (c *Converter) hedge(ctx context.Context, original *relay.Socket, a *Attempt, buf []byte) answered {
	c.repairs.hedged.Add(1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	undelivered := !delivered(original)
	a.loose = true // until it is known better
	second, g := *a, new(gate)
	second.warm, second.silent = nil, true
	second.sent = bytes.Clone(a.sent) // it may outlive the flow's buffer
	repaired := make(chan answered, 1)
	go func() { repaired <- c.repair(ctx, &second, make([]byte, handshake.AnswerBuffer), g) }()
	verified := make(chan error, 1)
	go func() { verified <- c.Verify(ctx) }()
	readable := make(chan error, 1)
	go func() { readable <- original.WaitReadable(answerLimit) }()
	leave := func() { // the repair
		cancel()
		if repaired != nil {
			go discard(repaired)
		}
	}
	giveUp := func() { // the original
		_ = original.Reset()
		<-readable
	}
	var failed answered         // how the repair failed
	var enough <-chan time.Time // since when the original was waited for
	for {
		select {
		case err := <-readable:
			speaks := false
			if err == nil {
				n, perr := original.Peek(buf)
				speaks = perr == nil && n > 0
			}
			if speaks && repaired != nil && !g.answered() {
				// The copy is out: the concentrator decides.
				select {
				case got := <-repaired:
					if got.err == nil {
						_ = original.Reset()
						*a = second
						return got
					}
					repaired = nil
				case <-time.After(verdictPatience):
				}
			}
			if err == nil {
				var got answered
				if got, err = c.readOn(original, a, buf); err == nil {
					leave()
					a.loose = false
					return got
				}
			}
			_ = original.Reset()
			if speaks { // what, nobody understands
				leave()
				return answered{err: ErrTaken}
			}
			if repaired != nil {
				failed = <-repaired
			}
			if failed.err == nil {
				*a = second
				return failed
			}
			a.loose = failed.loose || unsure(err, a.inSYN())
			return failed
		case err := <-verified:
			if err != nil { // there is nobody to repair it with
				giveUp()
				leave()
				a.loose = unsure(err, a.inSYN())
				return answered{err: err}
			}
		case got := <-repaired:
			if got.err == nil {
				if undelivered && a.warm != nil && !a.cut() {
					c.pool.Stale(a.warm)
				}
				giveUp()
				*a = second
				return got
			}
			// It is there after all, slow, or we are short of something.
			repaired, failed, enough = nil, got, time.After(takenPatience)
		case <-enough:
			giveUp()
			return failed
		}
	}
}

// discard closes a repair that nobody waits for any more.
func discard(repaired <-chan answered) {
	if got := <-repaired; got.err == nil {
		_ = got.conn.Reset()
	}
}
