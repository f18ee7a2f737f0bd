package park

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"tandem/shared/epoll"
)

// Ticket names a parked connection. A ticket is not used twice.
type Ticket uint64

// Lot is a set of parked connections. T is what its user keeps of one.
type Lot[T any] struct {
	epoll *os.File
	raw   syscall.RawConn

	mu     sync.Mutex
	slots  []slot[T]
	free   []uint32
	parked int
	closed bool
}

// slot is one place. serial tells those apart who had it one after the other.
type slot[T any] struct {
	serial uint32
	used   bool
	conn   syscall.Conn
	value  T
}

// ErrClosed is returned by Park after Close.
var ErrClosed = errors.New("park: closed")

// New returns an empty lot. Close it.
func New[T any]() (*Lot[T], error) {
	_, file, raw, err := epoll.New("epoll")
	if err != nil {
		return nil, err
	}
	return &Lot[T]{epoll: file, raw: raw}, nil
}

// Park takes conn in. If it is readable already, Run will say so at once.
func (l *Lot[T]) Park(conn syscall.Conn, value T) (Ticket, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return 0, ErrClosed
	}
	var i uint32
	if n := len(l.free); n > 0 {
		i, l.free = l.free[n-1], l.free[:n-1]
	} else {
		i = uint32(len(l.slots))
		l.slots = append(l.slots, slot[T]{})
	}
	s := &l.slots[i]
	s.serial++
	ticket := Ticket(s.serial)<<32 | Ticket(i)
	event := unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT,
		Fd:     int32(i), Pad: int32(s.serial), // the kernel hands these 64 bits back
	}
	if err := l.control(conn, unix.EPOLL_CTL_ADD, &event); err != nil {
		l.free = append(l.free, i)
		return 0, fmt.Errorf("park: %w", err)
	}
	s.used, s.conn, s.value = true, conn, value
	l.parked++
	return ticket, nil
}

// Take takes a connection out. ok is false if somebody did before.
func (l *Lot[T]) Take(t Ticket) (value T, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.take(t)
}

func (l *Lot[T]) take(t Ticket) (value T, ok bool) {
	i, serial := uint32(t), uint32(t>>32)
	if uint64(i) >= uint64(len(l.slots)) || !l.slots[i].used || l.slots[i].serial != serial {
		return value, false
	}
	s := &l.slots[i]
	_ = l.control(s.conn, unix.EPOLL_CTL_DEL, &unix.EpollEvent{}) // fails when it is closed already: fine
	value = s.value
	*s = slot[T]{serial: serial}
	l.free = append(l.free, i)
	l.parked--
	return value, true
}

// Len returns how many connections are parked.
func (l *Lot[T]) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.parked
}

// Run calls woke with each parked connection that became readable, after
// taking it out, until ctx ends. woke must not block.
func (l *Lot[T]) Run(ctx context.Context, woke func(T)) error {
	stop := context.AfterFunc(ctx, func() { _ = l.epoll.Close() })
	defer stop()
	var events [64]unix.EpollEvent
	for {
		var n int
		var failed error
		err := l.raw.Read(func(fd uintptr) bool {
			n, failed = epoll.Poll(int(fd), events[:])
			return n > 0 || failed != nil && failed != unix.EINTR
		})
		switch {
		case ctx.Err() != nil, l.isClosed():
			return nil
		case err != nil:
			return err
		case failed != nil:
			return os.NewSyscallError("epoll_wait", failed)
		}
		for _, e := range events[:n] {
			if value, ok := l.Take(Ticket(uint32(e.Pad))<<32 | Ticket(uint32(e.Fd))); ok {
				woke(value)
			}
		}
	}
}

// Close takes out everything that is still parked and hands it to each; later
// calls of Park fail. Run returns.
func (l *Lot[T]) Close(each func(T)) {
	l.mu.Lock()
	l.closed = true
	var left []T
	for i := range l.slots {
		if value, ok := l.take(Ticket(l.slots[i].serial)<<32 | Ticket(i)); ok {
			left = append(left, value)
		}
	}
	l.mu.Unlock()
	_ = l.epoll.Close()
	for _, value := range left {
		each(value)
	}
}

func (l *Lot[T]) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

// control changes the epoll set. It is called with mu held.
func (l *Lot[T]) control(conn syscall.Conn, op int, event *unix.EpollEvent) error {
	rc, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	err = rc.Control(func(fd uintptr) {
		if cerr := l.raw.Control(func(lot uintptr) { result = epoll.Control(int(lot), op, int(fd), event) }); cerr != nil {
			result = cerr
		}
	})
	return errors.Join(err, result)
}
