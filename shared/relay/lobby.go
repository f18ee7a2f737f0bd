package relay

import (
	"os"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"tandem/shared/epoll"
)

// lobby has the sockets that no flow has taken and for which somebody has waited,
// and wakes who does. It is apart from the loops so that new connections need not
// queue behind what there is to do for flows.
type lobby struct {
	epoll  int
	file   *os.File // of epoll, through which the runtime's poller knows it
	waiter syscall.RawConn

	mu    sync.Mutex
	slots []*Socket // nil where free
	free  []int32
	last  uint32 // generation given last
}

func newLobby() (*lobby, error) {
	fd, file, waiter, err := epoll.New("lobby")
	if err != nil {
		return nil, err
	}
	return &lobby{epoll: fd, file: file, waiter: waiter}, nil
}

// tell has more events of a socket told, whose mu is held, and takes it in for
// that if need be. What has happened before is told at once: the kernel looks.
func (l *lobby) tell(s *Socket, events uint32) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	events |= s.told
	if s.told != 0 {
		return s.hear(unix.EPOLL_CTL_MOD, events)
	}
	l.last++
	s.ticket = id{int32(len(l.slots)), l.last}
	if n := len(l.free); n > 0 {
		s.ticket.slot, l.free = l.free[n-1], l.free[:n-1]
		l.slots[s.ticket.slot] = s
	} else {
		l.slots = append(l.slots, s)
	}
	err := s.hear(unix.EPOLL_CTL_ADD, events)
	if err != nil {
		l.release(s)
	}
	return err
}

func (s *Socket) hear(operation int, events uint32) error {
	event := unix.EpollEvent{Events: told | events, Fd: s.ticket.slot, Pad: int32(s.ticket.generation)}
	err := epoll.Control(s.lobby.epoll, operation, s.fd, &event)
	if err == nil {
		s.told = events
	}
	return err
}

func (l *lobby) release(s *Socket) {
	l.slots[s.ticket.slot] = nil
	l.free = append(l.free, s.ticket.slot)
}

// forget is for a socket that is about to be closed.
func (l *lobby) forget(s *Socket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.release(s)
}

// leave is for a socket that goes elsewhere.
func (l *lobby) leave(s *Socket) {
	l.forget(s)
	_ = epoll.Control(l.epoll, unix.EPOLL_CTL_DEL, s.fd, &unix.EpollEvent{})
}

// run tells sockets what has happened, until the lobby is closed.
func (l *lobby) run() {
	var events [128]unix.EpollEvent
	var sockets [128]*Socket
	found := 0
	look := func(uintptr) bool {
		found, _ = epoll.Poll(l.epoll, events[:])
		return found > 0
	}
	for l.waiter.Read(look) == nil {
		l.mu.Lock()
		for i, e := range events[:found] {
			if s := l.slots[e.Fd]; s != nil && s.ticket.generation == uint32(e.Pad) {
				sockets[i] = s
			}
		}
		l.mu.Unlock()
		for i, s := range sockets[:found] {
			if s != nil {
				s.tell(events[i].Events)
				sockets[i] = nil
			}
		}
		runtime.Gosched() // to those that were woken; more is told of meanwhile
	}
}
