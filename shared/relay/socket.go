package relay

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"tandem/shared/mptcp"
)

// Socket is a TCP or MPTCP socket before a flow takes it: who waits for it is a
// goroutine, woken by the engine's lobby. It is a [net.Conn].
//
// Package net would do the same with some fifteen system calls more for each
// connection: its poller wants to be told of a socket and to forget it, it sets
// options, and asks for addresses that are known or not wanted.
//
// One goroutine may read and one may write at a time.
type Socket struct {
	fd     int
	remote netip.AddrPort

	mu     sync.Mutex
	lobby  *lobby
	ticket id     // in lobby
	told   uint32 // what the lobby tells of; 0: the socket is not there
	users  int    // calls that use fd now
	closed bool   // fd is closed when the last of them is gone
	taken  bool   // or belongs to a flow
	in     side
	out    side
	notify func() // see Notify
}

// Accept is [mptcp.Acceptor.Accept] for a Socket.
func (e *Engine) Accept(from *mptcp.Acceptor, admit func(source netip.Addr) bool) (*Socket, error) {
	fd, remote, err := from.Accept(admit)
	if err != nil {
		return nil, err
	}
	s, err := e.adopt(fd, remote)
	if err != nil {
		closeFD(fd)
	}
	return s, err
}

// adopt makes a Socket of a descriptor that does not block and is connected, or
// about to be, to remote.
func (e *Engine) adopt(fd int, remote netip.AddrPort) (*Socket, error) {
	l, err := e.waitingRoom()
	if err != nil {
		return nil, err
	}
	return &Socket{fd: fd, remote: remote, lobby: l}, nil
}

// Take makes a Socket of a connection of package net, which must not be used
// any more. After an error it is still the caller's.
func (e *Engine) Take(c *net.TCPConn) (*Socket, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd int
	var dupErr error
	err = raw.Control(func(theirs uintptr) { fd, dupErr = unix.FcntlInt(theirs, unix.F_DUPFD_CLOEXEC, 0) })
	if err == nil {
		err = dupErr
	}
	if err != nil {
		return nil, fmt.Errorf("take over a connection: %w", err)
	}
	var remote netip.AddrPort
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		remote = a.AddrPort()
	}
	s, err := e.adopt(fd, remote)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	_ = c.Close()
	return s, nil
}

// enter keeps the descriptor open until leave.
func (s *Socket) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	s.users++
	return nil
}

func (s *Socket) leave() {
	s.mu.Lock()
	s.users--
	last := s.closed && !s.taken && s.users == 0
	s.mu.Unlock()
	if last {
		closeFD(s.fd)
	}
}

// closeFD does not wait, nor do the other calls here, so the scheduler need not
// know of them.
func closeFD(fd int) { _, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }

// Close closes the socket. Who waits gets [net.ErrClosed].
func (s *Socket) Close() error {
	if !s.shut() {
		return net.ErrClosed
	}
	return nil
}

func (s *Socket) shut() bool {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return false
	}
	s.closed = true
	idle := s.users == 0
	s.in.poke()
	s.out.poke()
	if s.told != 0 {
		s.lobby.forget(s)
	}
	s.mu.Unlock()
	if idle {
		closeFD(s.fd)
	}
	return true
}

// Reset closes the socket so that the peer sees a reset, see [mptcp.Reset].
func (s *Socket) Reset() error {
	err := s.enter()
	if err != nil {
		return err
	}
	mptcp.Sever(s.fd)
	s.leave()
	return s.Close()
}

// Read is that of [net.Conn].
func (s *Socket) Read(b []byte) (n int, err error) {
	if len(b) == 0 {
		return 0, nil
	}
	if err := s.enter(); err != nil {
		return 0, err
	}
	defer s.leave()
	for {
		if err := s.overdue(&s.in); err != nil {
			return 0, err
		}
		n, err := receive(s.fd, b)
		switch {
		case err == unix.EAGAIN:
			if err := s.wait(&s.in, nil); err != nil {
				return 0, err
			}
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

// Write is that of [net.Conn].
func (s *Socket) Write(b []byte) (n int, err error) {
	if err := s.enter(); err != nil {
		return 0, err
	}
	defer s.leave()
	for n < len(b) {
		if err := s.overdue(&s.out); err != nil {
			return n, err
		}
		more, err := send(s.fd, b[n:])
		switch {
		case err == unix.EAGAIN:
			if err := s.wait(&s.out, nil); err != nil {
				return n, err
			}
		case err != nil:
			return n, err
		}
		n += more
	}
	return n, nil
}

// ReadNow reads what is there; [unix.EAGAIN] says that nothing is, and n = 0 that
// the end is.
func (s *Socket) ReadNow(b []byte) (n int, err error) { return s.now(b, unix.MSG_DONTWAIT) }

// Peek is ReadNow that takes nothing.
func (s *Socket) Peek(b []byte) (n int, err error) {
	return s.now(b, unix.MSG_DONTWAIT|unix.MSG_PEEK)
}

func (s *Socket) now(b []byte, flags uintptr) (n int, err error) {
	if err := s.enter(); err != nil {
		return 0, err
	}
	defer s.leave()
	return call(unix.SYS_RECVFROM, s.fd, b, flags)
}

// CloseWrite sends a FIN.
func (s *Socket) CloseWrite() error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	return shutdown(s.fd)
}

// Remote is who the socket is connected to.
func (s *Socket) Remote() netip.AddrPort { return s.remote }

// Local is this end of the connection; not valid if the kernel does not tell.
func (s *Socket) Local() netip.AddrPort {
	local, _ := mptcp.LocalAddr(s)
	return local
}

// RemoteAddr and LocalAddr are those of [net.Conn].
func (s *Socket) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(s.remote) }
func (s *Socket) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(s.Local()) }

// SetDeadline, SetReadDeadline and SetWriteDeadline are those of [net.Conn].
func (s *Socket) SetDeadline(t time.Time) error {
	_ = s.SetReadDeadline(t)
	return s.SetWriteDeadline(t)
}

func (s *Socket) SetReadDeadline(t time.Time) error  { return s.setDeadline(&s.in, t) }
func (s *Socket) SetWriteDeadline(t time.Time) error { return s.setDeadline(&s.out, t) }

// SyscallConn gives access to the descriptor, and has functions wait for it.
func (s *Socket) SyscallConn() (syscall.RawConn, error) { return rawSocket{s}, nil }

// The calls of sockets and legs.

func receive(fd int, b []byte) (int, error) {
	return call(unix.SYS_RECVFROM, fd, b, unix.MSG_DONTWAIT)
}

func send(fd int, b []byte) (int, error) {
	return call(unix.SYS_SENDTO, fd, b, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
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

// shutdown ends what is sent.
func shutdown(fd int) error {
	if _, _, errno := unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0); errno != 0 {
		return errno
	}
	return nil
}
