package mptcp

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// SetSendBuffer bounds what a connection, and each of its subflows, holds of
// data that is not acknowledged yet, at n bytes or so; beyond
// net.core.wmem_max, which needs CAP_NET_ADMIN. The kernel does not let it
// grow by itself any more.
func SetSendBuffer(c syscall.Conn, n int) error {
	return control(c, func(fd uintptr) error {
		// The kernel doubles the value for its own bookkeeping.
		if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, n/2); err != nil {
			return fmt.Errorf("set %q: %w", "SO_SNDBUFFORCE", err)
		}
		return nil
	})
}
