package mptcp

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Acceptor accepts connections and can turn some away for less than it takes
// to make a net.Conn of each: when most of them are an attack, that is most of
// the cost.
type Acceptor struct {
	listener *net.TCPListener
	file     *os.File // the same listener, for accepting by ourselves
	raw      syscall.RawConn
	closed   atomic.Bool
}

// NewAcceptor takes over l; on an error l is still the caller's.
func NewAcceptor(l *net.TCPListener) (*Acceptor, error) {
	file, err := l.File()
	if err != nil {
		return nil, err
	}
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, err
	}
	return &Acceptor{listener: l, file: file, raw: raw}, nil
}

// Close closes the listener: Accept returns net.ErrClosed.
func (a *Acceptor) Close() error {
	a.closed.Store(true)
	return errors.Join(a.file.Close(), a.listener.Close())
}

// Addr is where the listener listens.
func (a *Acceptor) Addr() net.Addr { return a.listener.Addr() }

// Accept returns the next connection from a source that admit lets in, and
// resets those before it; admit must not wait. thrifty saves about a third of
// the cost of a connection that is turned away, and makes one that is let in
// cost a few microseconds more. Otherwise it is like TCPListener.AcceptTCP.
func (a *Acceptor) Accept(thrifty bool, admit func(source netip.Addr) bool) (*net.TCPConn, error) {
	if thrifty {
		return a.accept(admit)
	}
	c, err := a.listener.AcceptTCP()
	if err != nil {
		return nil, err
	}
	if admit(plain(c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr())) {
		return c, nil
	}
	_ = c.SetLinger(0)
	c.Close()
	return a.accept(admit)
}

// accept is Accept for when many are turned away.
func (a *Acceptor) accept(admit func(netip.Addr) bool) (*net.TCPConn, error) {
	for {
		fd := -1
		var err error
		rerr := a.raw.Read(func(listener uintptr) (done bool) {
			fd, done, err = acceptSome(int(listener), admit)
			return done
		})
		switch {
		case a.closed.Load():
			if fd >= 0 {
				turnAway(fd)
			}
			return nil, net.ErrClosed
		case rerr != nil:
			return nil, rerr
		case err != nil:
			return nil, os.NewSyscallError("accept4", err)
		case fd < 0:
			continue
		}
		c, err := connOf(fd)
		if err != nil {
			return nil, err
		}
		if c.RemoteAddr() != nil {
			return c, nil
		}
		c.Close() // reset while it waited: it has no peer any more
	}
}

// connOf takes fd over. It blocks, so this does not ask the poller.
func connOf(fd int) (*net.TCPConn, error) {
	file := os.NewFile(uintptr(fd), "connection")
	defer file.Close() // net.FileConn duplicates it
	c, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// acceptSome looks at the connections that wait, and at no more than some, since
// the listener cannot be closed meanwhile. done is false when none is left; fd
// is -1 when none was let in.
func acceptSome(listener int, admit func(netip.Addr) bool) (fd int, done bool, err error) {
	const some = 64
	var from unix.RawSockaddrAny
	for range some {
		fd, err := accept4(listener, &from)
		switch err {
		case 0:
			if admit(sourceOf(&from)) {
				return fd, true, nil
			}
			turnAway(fd)
		case unix.EAGAIN:
			return -1, false, nil
		case unix.EINTR, unix.ECONNABORTED:
		default:
			return -1, true, err
		}
	}
	return -1, true, nil
}

// The three calls that a connection costs that is turned away do not wait, so
// the scheduler need not be told of them, and nothing is allocated for them.

// accept4 is accept4(2) on a socket that does not block.
func accept4(listener int, from *unix.RawSockaddrAny) (fd int, err unix.Errno) {
	size := uint32(unix.SizeofSockaddrAny)
	r, _, err := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listener),
		uintptr(unsafe.Pointer(from)), uintptr(unsafe.Pointer(&size)), unix.SOCK_CLOEXEC, 0, 0)
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

func sourceOf(sa *unix.RawSockaddrAny) netip.Addr {
	switch sa.Addr.Family {
	case unix.AF_INET:
		return netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(sa)).Addr)
	case unix.AF_INET6:
		return plain(netip.AddrFrom16((*unix.RawSockaddrInet6)(unsafe.Pointer(sa)).Addr))
	}
	return netip.Addr{}
}

// plain is an address without what depends on the socket it came from.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }
