package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-mptcp/tandem/cpe/handshake"
	"github.com/tandem-mptcp/tandem/shared/mptcp"
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
// does not answer is closed.
func (c *Converter) Answer(ctx context.Context, conn *net.TCPConn, a *Attempt, buf []byte) (*net.TCPConn, handshake.Answer, []byte, error) {
	if a.warm != nil {
		got := c.answerWarm(ctx, a, buf)
		return got.conn, got.answer, got.rest, got.err
	}
	err := c.await(ctx, conn, time.Now(), nil)
	if err == nil {
		var answer handshake.Answer
		var rest []byte
		if answer, rest, err = c.readAnswer(conn, buf, a.Nonce); err == nil {
			return conn, answer, rest, nil
		}
	}
	_ = mptcp.Reset(conn)
	switch {
	case !errors.Is(err, errLost):
	case c.signer != nil:
		got := c.repair(ctx, a, buf)
		return got.conn, got.answer, got.rest, got.err
	default: // a second copy could not be told from the first
		err = c.noAnswer(err)
	}
	return nil, handshake.Answer{}, nil, err
}

// await waits until an answer begins to arrive. A slow one is waited for as
// long as the converter shows on other connections that it works; when it does
// not, await gives up, so that the flow can go direct. errLost says that the
// connection ended. The caller may have waited before: asked is when it began,
// err how that ended.
func (c *Converter) await(ctx context.Context, conn *net.TCPConn, asked time.Time, err error) error {
	since := asked
	for wait := c.patience(); ; wait = min(2*wait, 5*time.Second) {
		if err == nil {
			since = time.Now()
			if err = waitReadable(conn, wait); err == nil {
				return nil
			}
		}
		switch {
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return fmt.Errorf("%w: %w", errLost, err)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case time.Since(asked) > answerLimit:
			return fmt.Errorf("no answer within %s", answerLimit)
		}
		if !c.Heard().After(since) {
			if err := c.Verify(ctx); err != nil {
				return err
			}
		}
		err = nil
	}
}

// patience is how long an answer may take before anybody wonders.
func (c *Converter) patience() time.Duration { return max(patience, 3*c.RoundTrip()) }

// noAnswer books a connection that ended without an answer: the concentrator
// went away in that moment, or turned us off without a word.
func (c *Converter) noAnswer(err error) error {
	go c.Verify(context.Background())
	return fmt.Errorf("no answer: %w", err)
}

// waitReadable waits until something can be read, an end included, without
// reading it.
func waitReadable(conn *net.TCPConn, d time.Duration) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	_ = conn.SetReadDeadline(time.Now().Add(d))
	defer conn.SetReadDeadline(time.Time{})
	var peek [1]byte
	return raw.Read(func(fd uintptr) bool {
		_, _, err := unix.Recvfrom(int(fd), peek[:], unix.MSG_PEEK)
		return err != unix.EAGAIN && err != unix.EINTR
	})
}
