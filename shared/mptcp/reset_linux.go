package mptcp

import (
	"net"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Reset closes a connection so that the peer's reads and writes fail with
// ECONNRESET: a RST on plain TCP, MP_FASTCLOSE with a RST on every subflow on
// MPTCP. Data not yet sent or not yet read is lost.
func Reset(c *net.TCPConn) error {
	// On Linux 6.18 closing with a linger time of 0 does it all. Dissolving
	// the connection fast-closes MPTCP where that option means less, and does
	// not wait for the last user of the descriptor.
	err := c.SetLinger(0)
	_ = control(c, dissolve)
	if cerr := c.Close(); err == nil {
		err = cerr
	}
	return err
}

// Sever does what Reset does to a bare descriptor, which is then to be closed.
func Sever(fd int) {
	_, _, _ = unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_LINGER,
		uintptr(unsafe.Pointer(&atOnce)), unsafe.Sizeof(atOnce), 0)
	_ = dissolve(uintptr(fd))
}

// dissolve ends the connection of a socket at once: connect(2) to AF_UNSPEC,
// an address type that package unix lacks.
func dissolve(fd uintptr) error {
	unspec := unix.RawSockaddr{Family: unix.AF_UNSPEC}
	_, _, errno := unix.RawSyscall(unix.SYS_CONNECT, fd, uintptr(unsafe.Pointer(&unspec)), unsafe.Sizeof(unspec))
	if errno != 0 {
		return errno
	}
	return nil
}
