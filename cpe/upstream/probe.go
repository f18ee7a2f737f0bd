package upstream

import (
	"context"
	"fmt"
	"time"

	"github.com/tandem-mptcp/tandem/cpe/config"
	"github.com/tandem-mptcp/tandem/cpe/handshake"
)

// probe is one running check of a converter.
type probe struct {
	done chan struct{}
	err  error
}

// probeTime is what two round trips to the concentrator may take. With the
// patience for an answer it stays below a second.
const probeTime = 500 * time.Millisecond

// Verify asks the converter for its supported TCP extensions (RFC 8803 section
// 4.2.2), the smallest exchange there is, and books the outcome. Callers that
// come while a check is running share its result.
func (c *Converter) Verify(ctx context.Context) error {
	c.mu.Lock()
	p := c.probe
	if p == nil {
		p = &probe{done: make(chan struct{})}
		c.probe = p
		go c.runProbe(p)
	}
	c.mu.Unlock()
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
	for range 3 {
		var attempt *Attempt
		attempt, p.err = c.ask()
		if p.err == nil || attempt == nil || !attempt.Superseded() {
			break
		}
	}
	if p.err == nil {
		c.Alive()
	} else {
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
func (c *Converter) ask() (*Attempt, error) {
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
	ctx, cancel := context.WithTimeout(context.Background(), max(probeTime, 6*c.RoundTrip()))
	defer cancel()
	elsewhere := make(chan error, len(others))
	// A good line answers before the others are bothered.
	wait := max(100*time.Millisecond, 2*c.RoundTrip())
	if c.Mode != config.Bond {
		wait = max(250*time.Millisecond, 3*c.RoundTrip())
	}
	timer := time.AfterFunc(wait, func() {
		for _, other := range others {
			go func() { elsewhere <- c.askOver(ctx, other) }()
		}
	})
	err = c.askOver(ctx, attempt)
	if err == nil || timer.Stop() {
		return attempt, err
	}
	for range others {
		if <-elsewhere == nil {
			c.suspect(attempt.Line.Name)
			return attempt, nil
		}
	}
	return attempt, err
}

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
