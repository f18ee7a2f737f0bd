package mptcp

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// State is the state of one subflow (enum in include/net/tcp_states.h).
type State uint8

// The states that matter here; TCP has more.
const (
	StateEstablished State = 1
	StateSynSent     State = 2
	StateSynRecv     State = 3
	StateFinWait1    State = 4 // ended by us
	StateFinWait2    State = 5 // the same, acknowledged
	StateClosed      State = 7
)

// String names a state as ss(8) does.
func (s State) String() string {
	switch s {
	case StateEstablished:
		return "established"
	case StateSynSent:
		return "syn-sent"
	case StateSynRecv:
		return "syn-recv"
	case StateClosed:
		return "closed"
	}
	return "closing"
}

// Established tells whether the handshake of the first subflow is complete:
// its state is ESTABLISHED, or one that only comes later. ENOTCONN means that
// it is closed and no other subflow is left.
//
// It matters on the accepting side of SYN data. Accept returns before the
// third packet of the handshake has arrived, and Linux 6.12 to 7.3 at least
// never send what is written to an MPTCP socket in that time: the scheduler
// skips a subflow in SYN_RECV and the third packet triggers no other attempt.
func Established(c syscall.Conn) (bool, error) {
	info, err := firstSubflow(c)
	if err != nil {
		return false, err
	}
	return info.established(c)
}

func (o outset) established(c syscall.Conn) (bool, error) {
	switch State(o.state) {
	case StateSynSent, StateSynRecv:
		return false, nil
	case StateClosed:
		if m, err := Inspect(c); err == nil && m.ExtraSubflows > 0 {
			return true, nil // the others could only join once it was
		}
		return false, unix.ENOTCONN
	}
	return true, nil
}

// Bounds of the time between two looks by WaitEstablished.
const (
	establishedStep    = time.Millisecond
	establishedStepMax = 50 * time.Millisecond
)

// WaitEstablished waits until [Established]. It blocks other writers to c
// meanwhile, and leaves c without a write deadline.
//
// The socket is writable from the start, so poll and level-triggered epoll
// have nothing to tell. But the kernel wakes waiters when the state of a
// subflow changes, and edge-triggered epoll, which package net uses, reports
// the socket as writable once more (Linux 6.18, measured). No documentation
// promises that, so the state is looked at every now and then as well.
func WaitEstablished(ctx context.Context, c interface {
	syscall.Conn
	SetWriteDeadline(time.Time) error
}) error {
	done, err := Established(c)
	if done || err != nil {
		return err
	}
	rc, err := c.SyscallConn()
	if err != nil {
		return err
	}
	defer c.SetWriteDeadline(time.Time{})
	for step := establishedStep; ; step = min(2*step, establishedStepMax) {
		if err := ctx.Err(); err != nil {
			return err
		}
		look := time.Now().Add(step)
		if end, ok := ctx.Deadline(); ok && end.Before(look) {
			look = end
		}
		if err := c.SetWriteDeadline(look); err != nil {
			return err
		}
		var state error
		err := rc.Write(func(uintptr) bool {
			done, state = Established(c)
			return done || state != nil
		})
		switch {
		case done || state != nil:
			return state
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		}
	}
}
