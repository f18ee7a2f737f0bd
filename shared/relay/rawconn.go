package relay

import (
	"errors"
	"net"
	"syscall"
)

// A leg is a syscall.Conn, so that others can read its socket's counters.

// SyscallConn gives access to the socket while it is open.
func (l *leg) SyscallConn() (syscall.RawConn, error) { return l, nil }

// Control calls f with the descriptor, which stays open meanwhile.
func (l *leg) Control(f func(fd uintptr)) error {
	l.flow.loop.mu.Lock()
	defer l.flow.loop.mu.Unlock()
	if !l.open {
		return net.ErrClosed
	}
	f(uintptr(l.fd))
	return nil
}

var errOwned = errors.New("the relay reads and writes this connection")

// Read is refused.
func (l *leg) Read(func(uintptr) bool) error { return errOwned }

// Write is refused.
func (l *leg) Write(func(uintptr) bool) error { return errOwned }
