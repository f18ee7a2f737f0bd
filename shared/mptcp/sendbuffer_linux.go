package mptcp

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// SetSendBuffer bounds what a connection, and each of its subflows, holds of
// data that is not acknowledged yet, at n bytes or so. The kernel does not let
// it grow by itself any more. Beyond net.core.wmem_max that takes
// CAP_NET_ADMIN; without it the error is EPERM and all stays as it was, since a
// smaller buffer would be worse than none of ours.
func SetSendBuffer(c syscall.Conn, n int) error {
	return control(c, func(fd uintptr) error {
		// The kernel doubles the value for its own bookkeeping.
		err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, n/2)
		if err == unix.EPERM && n/2 <= sendBufferMax() {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF, n/2)
		}
		if err != nil {
			return fmt.Errorf("set %q: %w", "SO_SNDBUFFORCE", err)
		}
		return nil
	})
}

// sendBufferMax is net.core.wmem_max, 0 where it cannot be read (a network
// namespace may not show it).
func sendBufferMax() (n int) {
	text, err := os.ReadFile("/proc/sys/net/core/wmem_max")
	if err != nil {
		return 0
	}
	n, _ = strconv.Atoi(strings.TrimSpace(string(text)))
	return n
}
