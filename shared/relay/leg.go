package relay

import (
	"net"

	"golang.org/x/sys/unix"

	"tandem/shared/mptcp"
)

// leg is one of a flow's two sockets.
type leg struct {
	flow   *Flow
	fd     int
	events uint32 // what epoll tells of it
	full   bool   // it had no room once
	open   bool   // guarded by loop.mu, as is the closing of fd
}

// take makes the socket the leg's own. Who still calls the Socket finds it
// closed.
func (l *leg) take(f *Flow, s *Socket) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	s.closed, s.taken = true, true
	if s.told != 0 {
		s.lobby.leave(s)
	}
	l.flow, l.fd, l.open = f, s.fd, true
	return nil
}

// close is for a leg that epoll does not know, or that its loop has locked.
func (l *leg) close() {
	l.open = false
	closeFD(l.fd)
}

func (l *leg) reset() {
	l.open = false
	mptcp.Sever(l.fd)
	closeFD(l.fd)
}

// failure returns the error that waits in the socket, and takes it out.
func (l *leg) failure() error {
	errno, err := unix.GetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && errno != 0 {
		err = unix.Errno(errno)
	}
	return err
}

func (l *leg) read(b []byte) (int, error)  { return receive(l.fd, b) }
func (l *leg) write(b []byte) (int, error) { return send(l.fd, b) }
