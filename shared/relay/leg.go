package relay

import (
	"fmt"
	"net"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tandem-mptcp/tandem/shared/mptcp"
)

// leg is one of a flow's two sockets.
type leg struct {
	flow   *Flow
	fd     int
	events uint32 // what epoll tells of it
	open   bool   // guarded by loop.mu, as is the closing of fd
}

// take makes the connection's socket the leg's own. The runtime's poller,
// which would be woken for every packet of it, must not know it any more, so
// it gets a descriptor of its own and the former is closed by whoever had it.
func (l *leg) take(f *Flow, c *net.TCPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var dupErr error
	err = raw.Control(func(fd uintptr) { l.fd, dupErr = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	if err == nil {
		err = dupErr
	}
	if err != nil {
		return fmt.Errorf("take over a connection: %w", err)
	}
	l.flow, l.open = f, true
	return nil
}

// close is for a leg that epoll does not know, or that its loop has locked.
func (l *leg) close() {
	l.open = false
	_ = unix.Close(l.fd)
}

func (l *leg) reset() {
	l.open = false
	_ = mptcp.ResetFD(l.fd)
}

// failure returns the error that waits in the socket, and takes it out.
func (l *leg) failure() error {
	errno, err := unix.GetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && errno != 0 {
		err = unix.Errno(errno)
	}
	return err
}

// read and write never block, so the scheduler need not know of them.

func (l *leg) read(b []byte) (int, error) {
	return call(unix.SYS_RECVFROM, l.fd, b, unix.MSG_DONTWAIT)
}

func (l *leg) write(b []byte) (int, error) {
	return call(unix.SYS_SENDTO, l.fd, b, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
}

func call(number uintptr, fd int, b []byte, flags uintptr) (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(number, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), flags, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}
