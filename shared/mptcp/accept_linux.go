package mptcp

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"tandem/shared/nocmp"
)

// Acceptor accepts connections as bare descriptors, and can turn some away
// before anything is made of them: when most are an attack, that is most of the
// cost.
type Acceptor struct {
	_      nocmp.Field
	file   *os.File
	raw    syscall.RawConn
	of     io.Closer // what file is a duplicate of; may be nil
	closed atomic.Bool
}

// NewAcceptor takes over l; on an error l is still the caller's.
func NewAcceptor(l *net.TCPListener) (*Acceptor, error) {
	file, err := l.File()
	if err != nil {
		return nil, err
	}
	a, err := acceptorOf(file)
	if err != nil {
		return nil, err
	}
	a.of = l
	return a, nil
}

// acceptorOf takes over a socket that listens and does not block.
func acceptorOf(file *os.File) (*Acceptor, error) {
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, err
	}
	return &Acceptor{file: file, raw: raw}, nil
}

// Close closes the listener: Accept returns net.ErrClosed.
func (a *Acceptor) Close() error {
	a.closed.Store(true)
	err := a.file.Close()
	if a.of != nil {
		err = errors.Join(err, a.of.Close())
	}
	return err
}

// Addr is where the listener listens.
func (a *Acceptor) Addr() netip.AddrPort {
	local, _ := LocalAddr(a)
	return local
}

// SyscallConn gives access to the listener.
func (a *Acceptor) SyscallConn() (syscall.RawConn, error) { return a.raw, nil }

// Accept returns the next connection from a source that admit lets in, a
// descriptor that does not block, and resets those before it; admit must not
// wait.
func (a *Acceptor) Accept(admit func(source netip.Addr) bool) (fd int, remote netip.AddrPort, err error) {
	for {
		fd = -1
		rerr := a.raw.Read(func(listener uintptr) (done bool) {
			fd, remote, done, err = acceptSome(int(listener), admit)
			return done
		})
		switch {
		case fd >= 0: // also when the listener was closed this moment
			return fd, remote, nil
		case a.closed.Load():
			return -1, remote, net.ErrClosed
		case rerr != nil:
			return -1, remote, rerr
		case err != nil:
			return -1, remote, os.NewSyscallError("accept4", err)
		}
	}
}

// acceptSome looks at the connections that wait, and at no more than some, since
// the listener cannot be closed meanwhile. done is false when none is left; fd
// is -1 when none was let in.
func acceptSome(listener int, admit func(netip.Addr) bool) (fd int, remote netip.AddrPort, done bool, err error) {
	const some = 64
	var from unix.RawSockaddrAny
	for range some {
		fd, err := accept4(listener, &from)
		switch err {
		case 0:
			// One that was reset while it waited may have no peer any more.
			if remote := addrPortOf(&from); remote.IsValid() && admit(remote.Addr()) {
				return fd, remote, true, nil
			}
			turnAway(fd)
		case unix.EAGAIN:
			return -1, remote, false, nil
		case unix.EINTR, unix.ECONNABORTED:
		default:
			return -1, remote, true, err
		}
	}
	return -1, remote, true, nil
}

// The three calls that a connection costs that is turned away do not wait, so
// the scheduler need not be told of them, and nothing is allocated for them.

// accept4 is accept4(2) on a socket that does not block.
func accept4(listener int, from *unix.RawSockaddrAny) (fd int, err unix.Errno) {
	size := uint32(unix.SizeofSockaddrAny)
	r, _, err := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listener),
		uintptr(unsafe.Pointer(from)), uintptr(unsafe.Pointer(&size)), unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0, 0)
	return int(r), err
}

// atOnce makes closing a socket reset the connection.
var atOnce = unix.Linger{Onoff: 1}

// turnAway resets a connection: it leaves nothing behind, neither here nor,
// waiting for the other side's end, in the kernel.
func turnAway(fd int) {
	_, _, _ = unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_LINGER,
		uintptr(unsafe.Pointer(&atOnce)), unsafe.Sizeof(atOnce), 0)
	_, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
}

// plain is an address without what depends on the socket it came from.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }
