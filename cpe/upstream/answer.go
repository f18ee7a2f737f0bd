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
)

const (
	// patience is how long an answer may take before anybody wonders whether
	// the concentrator still works. The server's own round trip is part of it.
	patience = 250 * time.Millisecond
	// answerLimit ends the wait for a concentrator that works but never
	// answers; it is beyond the time a connection attempt to a server takes.
	answerLimit = 2 * time.Minute
)

// Answer reads the converter's answer to the attempt's request. A slow answer is waited for as long as
// the converter shows on other connections that it works; when it does not,
// Answer gives up, so that the flow can go direct.
func (c *Converter) Answer(ctx context.Context, conn *net.TCPConn, a *Attempt, buf []byte) (handshake.Answer, []byte, error) {
	asked := time.Now()
	for wait := max(patience, 3*c.RoundTrip()); ; wait = min(2*wait, 5*time.Second) {
		since := time.Now()
		err := waitReadable(conn, wait)
		if err == nil {
			break
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return handshake.Answer{}, nil, c.noAnswer(err)
		}
		if c.Heard().After(since) {
			continue
		}
		if err := c.Verify(ctx); err != nil {
			return handshake.Answer{}, nil, err
		}
		if time.Since(asked) > answerLimit {
			return handshake.Answer{}, nil, c.noAnswer(err)
		}
	}
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	answer, rest, err := c.read(conn, buf, a.Nonce)
	_ = conn.SetReadDeadline(time.Time{})
	if err != nil {
		return answer, nil, c.noAnswer(err)
	}
	if answer.Kind != handshake.Unproven {
		c.Alive()
	}
	return answer, rest, nil
}

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
