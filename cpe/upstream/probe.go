package upstream

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"tandem/cpe/config"
	"tandem/cpe/handshake"
	"tandem/shared/nocmp"
)

// probe is one running check of a converter.
type probe struct {
	_       nocmp.Field
	done    chan struct{}
	err     error
	patient bool // nobody is to wait for it
}

// Verify asks the converter for its supported TCP extensions (RFC 8803 section
// 4.2.2), the smallest exchange there is, and books the outcome. Callers that
// come while a check is running share its result.
func (c *Converter) Verify(ctx context.Context) error { return c.verify(ctx, false) }

// verify does so; a patient check takes its time, and others go by what was found
// before.
func (c *Converter) verify(ctx context.Context, patient bool) error {
	c.mu.Lock()
	p, down := c.probe, c.down
	if p == nil {
		p = &probe{done: make(chan struct{}), patient: patient}
		c.probe = p
		go c.runProbe(p)
	}
	c.mu.Unlock()
	if p.patient && !patient && down != nil {
		return down
	}
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (c *Converter) runProbe(p *probe) {
	// A line that went away under the question says nothing about the
	// converter: ask over the next one.
	begun := time.Now()
	for range 3 {
		var attempt *Attempt
		attempt, p.err = c.ask(p.patient)
		if p.err == nil || attempt == nil || !(c.outdated(p.err) || attempt.Superseded()) {
			break
		}
	}
	late := errors.Is(p.err, context.DeadlineExceeded) || errors.Is(p.err, os.ErrDeadlineExceeded)
	switch {
	case p.err == nil:
		c.Alive()
	case late && c.Heard().After(begun): // by others, whom it has answered meanwhile
		p.err = nil
	default:
		c.Fail(p.err, 0)
	}
	c.mu.Lock()
	c.probe = nil
	c.mu.Unlock()
	close(p.done)
}

// ask tries the best line and, before a converter that worked is given up, the
// others at the same time: it may be the line that is dead. It returns what it
// asked over in the first place, nil if it could not.
func (c *Converter) ask(patient bool) (*Attempt, error) {
	attempt, err := c.Plan(Plain, c.Mode)
	if err != nil {
		return nil, err
	}
	var others []*Attempt
	if c.Usable() {
		for _, line := range c.lines() {
			if _, leads := line.Source(attempt.to.Addr()); line.Name != attempt.Line.Name && line.Up && leads {
				others = append(others, c.over(line, attempt.to, Plain))
			}
		}
	}
	// A good line answers before the others are bothered.
	rtt := c.roundTrip(attempt.Line)
	wait := max(100*time.Millisecond, 2*rtt)
	if c.Mode != config.Bond {
		wait = max(250*time.Millisecond, 3*rtt)
	}
	begun := time.Now()
	asked, cancel := context.WithCancel(context.Background())
	defer cancel() // the others have nothing more to say
	over := func(ctx context.Context, a *Attempt, after time.Duration) error {
		d := c.probeTime(a.Line, after)
		if patient {
			d = max(d, probeTimePatient)
		}
		ctx, cancel := context.WithDeadline(ctx, begun.Add(d))
		defer cancel()
		return c.askOver(ctx, a)
	}
	here, elsewhere := make(chan error, 1), make(chan error, len(others))
	go func() { here <- over(context.Background(), attempt, 0) }()
	askOthers := sync.OnceFunc(func() {
		for _, other := range others {
			go func() {
				if !c.affords(other.Line) {
					elsewhere <- errDear
					return
				}
				elsewhere <- over(asked, other, wait)
			}()
		}
	})
	defer time.AfterFunc(wait, askOthers).Stop()
	for left := len(others); ; {
		select {
		case err = <-here:
			if err == nil || errors.Is(err, unix.ECONNREFUSED) || left == 0 {
				return attempt, err
			}
			here = nil
			askOthers()
		case other := <-elsewhere:
			switch left--; {
			case other == nil:
				go func() {
					if here == nil || <-here != nil {
						c.suspect(attempt.Line.Name)
					}
				}()
				return attempt, nil
			case here == nil && left == 0:
				return attempt, err
			}
		}
	}
}

// errDear stands for the answer of a line that may not be asked.
var errDear = errors.New("asking over this line costs too much")

func (c *Converter) askOver(ctx context.Context, attempt *Attempt) error {
	conn, err := c.Engine.Dial(ctx, &attempt.dialer, attempt.to, nil)
	if err != nil {
		return fmt.Errorf("%s over %s: %w", attempt.to, attempt.Line.Name, err)
	}
	if c.OnPath { // the handshake is all there is
		return conn.Reset()
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	request, nonce, err := handshake.AppendInfo(nil, c.Cookie(), c.signer)
	if err != nil {
		return err
	}
	if _, err := conn.Write(request); err != nil {
		return c.silent(attempt.to, err)
	}
	answer, _, err := c.read(conn, make([]byte, handshake.AnswerBuffer), nonce)
	if err != nil {
		return c.silent(attempt.to, err)
	}
	switch answer.Kind {
	case handshake.Accepted:
		c.NameHosts(answer.WantsOrigin)
	case handshake.Unproven:
		return fmt.Errorf("%s %w", attempt.to, answer.Err())
	case handshake.NeedsCookie:
		c.SetCookie(answer.Cookie)
	case handshake.Busy:
		c.mu.Lock()
		c.until = time.Now().Add(answer.Wait)
		c.mu.Unlock()
		return answer.Err()
	}
	return nil
}
