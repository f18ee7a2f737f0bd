package relay

import (
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"tandem/shared/nocmp"
)

// side is what a goroutine may wait for at a Socket: that something can be read
// or written. It is guarded by the socket's mu.
type side struct {
	_        nocmp.Field
	ready    bool          // something has happened since the last wait
	events   uint32        // what epoll told last
	wake     chan struct{} // nil until somebody waits
	deadline time.Time
	timer    *time.Timer
}

func (d *side) poke() {
	if d.wake != nil {
		select {
		case d.wake <- struct{}{}:
		default:
		}
	}
}

// tell is the loop's word that something has happened.
func (s *Socket) tell(events uint32) {
	const trouble = unix.EPOLLERR | unix.EPOLLHUP
	s.mu.Lock()
	defer s.mu.Unlock()
	if events&(inward|trouble) != 0 {
		s.in.ready, s.in.events = true, events
		s.in.poke()
		if s.notify != nil {
			s.notify()
		}
	}
	if events&(outward|trouble) != 0 {
		s.out.ready, s.out.events = true, events
		s.out.poke()
	}
}

func (s *Socket) setDeadline(d *side, t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	d.deadline = t
	if !t.IsZero() {
		d.poke()
	}
	return nil
}

// connected tells whether epoll has said that a connection is made, and has not
// ended yet. Otherwise nothing is known.
func (s *Socket) connected() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.events&(outward|unix.EPOLLERR|unix.EPOLLHUP) == outward
}

// overdue tells whether it is too late to begin.
func (s *Socket) overdue(d *side) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return net.ErrClosed
	case !d.deadline.IsZero() && !time.Now().Before(d.deadline):
		return os.ErrDeadlineExceeded
	}
	return nil
}

// wait waits until something has happened, maybe before the call, or done is
// closed. The first one has the lobby tell of it: who never waits, because what
// it wants is there when it looks, costs nothing there.
func (s *Socket) wait(d *side, done <-chan struct{}) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := uint32(inward)
	if d == &s.out {
		wanted = outward
	}
	if s.told&wanted == 0 && !s.closed {
		if err := s.lobby.tell(s, wanted); err != nil {
			return err
		}
	}
	for !d.ready {
		if s.closed {
			return net.ErrClosed
		}
		if d.wake == nil {
			d.wake = make(chan struct{}, 1)
		}
		var expired <-chan time.Time
		if !d.deadline.IsZero() {
			left := time.Until(d.deadline)
			if left <= 0 {
				return os.ErrDeadlineExceeded
			}
			if d.timer == nil {
				d.timer = time.NewTimer(left)
			} else {
				d.timer.Reset(left)
			}
			expired = d.timer.C
		}
		s.mu.Unlock()
		over := false
		select {
		case <-d.wake:
		case <-expired:
		case <-done:
			over = true
		}
		if expired != nil {
			d.timer.Stop()
		}
		s.mu.Lock()
		if over {
			return errDone
		}
	}
	d.ready = false
	return nil
}

// Notify has f called when something can be read, an end included, maybe before
// the call, and not any more once it is called with nil. f must neither wait nor
// use the socket.
func (s *Socket) Notify(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notify = f
	if f != nil && !s.closed {
		_ = s.lobby.tell(s, inward)
	}
}

// WaitReadable waits at most for d until something can be read, an end included,
// without reading it. It returns the error with which the connection has ended,
// which the socket tells once.
func (s *Socket) WaitReadable(d time.Duration) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	_ = s.SetReadDeadline(time.Now().Add(d))
	defer s.SetReadDeadline(time.Time{})
	var one [1]byte
	for {
		if err := s.overdue(&s.in); err != nil {
			return err
		}
		if _, err := s.Peek(one[:]); err != unix.EAGAIN {
			return err
		}
		if err := s.wait(&s.in, nil); err != nil {
			return err
		}
	}
}

// rawSocket is a Socket's [syscall.RawConn].
type rawSocket struct{ s *Socket }

func (r rawSocket) Control(f func(fd uintptr)) error {
	if err := r.s.enter(); err != nil {
		return err
	}
	defer r.s.leave()
	f(uintptr(r.s.fd))
	return nil
}

func (r rawSocket) Read(f func(fd uintptr) bool) error  { return r.s.try(&r.s.in, f) }
func (r rawSocket) Write(f func(fd uintptr) bool) error { return r.s.try(&r.s.out, f) }

// try calls f, each time something has happened, until it says that it is done.
func (s *Socket) try(d *side, f func(fd uintptr) bool) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	for {
		if err := s.overdue(d); err != nil {
			return err
		}
		if f(uintptr(s.fd)) {
			return nil
		}
		if err := s.wait(d, nil); err != nil {
			return err
		}
	}
}
