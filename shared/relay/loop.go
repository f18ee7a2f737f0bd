package relay

import (
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"tandem/shared/epoll"
)

// loop owns flows and gives their directions turns. What is not guarded by mu
// belongs to its goroutine.
type loop struct {
	engine *Engine
	epoll  int
	file   *os.File // of epoll, through which the runtime's poller knows it
	waiter syscall.RawConn

	mu      sync.Mutex
	flows   []*Flow // by slot; nil where free
	free    []int32 // slots
	last    uint32  // generation given last
	aborts  []ending
	closing bool

	now    int64 // of the present round
	timers timers
	queue  []*pump // had their turn and want another
	others []*pump // the same of the round before
	dead   []ending
	closed int // how many of dead
	ready  []ready
	events [256]unix.EpollEvent
	found  int                // of events
	look   func(uintptr) bool // polls without waiting
	alarm  int64              // when the runtime's poller is to end the wait; 0: never
	polled bool               // the runtime's poller has ended a wait since the last nap
	// timeout of a poll; here because it must stay where it is.
	timeout timespec
}

// id names a flow to epoll. Slots are used again, generations are not: the
// kernel may still tell of a socket that was closed while a child process,
// not yet replaced by its program, held a copy.
type id struct {
	slot       int32
	generation uint32
}

// ending is a flow that is to end, or to be closed, and why: nil after FIN in
// both directions.
type ending struct {
	flow  *Flow
	cause error
}

type ready struct {
	leg    *leg
	events uint32
}

func newLoop(e *Engine) (*loop, error) {
	fd, file, waiter, err := epoll.New("relay")
	if err != nil {
		return nil, err
	}
	l := &loop{engine: e, epoll: fd, file: file, waiter: waiter}
	l.look = func(uintptr) bool { return l.poll(0) }
	return l, nil
}

// What epoll tells of a leg. Edge-triggered: a change is told once, so that a
// direction that cannot do anything about it is not asked again and again.
const (
	told    = unix.EPOLLET
	inward  = unix.EPOLLIN | unix.EPOLLRDHUP
	outward = unix.EPOLLOUT
)

func (l *loop) control(op, fd int, events uint32, e unix.EpollEvent) error {
	e.Events = events
	return epoll.Control(l.epoll, op, fd, &e)
}

func (f *Flow) event(g *leg) unix.EpollEvent {
	side := f.id.slot << 1
	if g == &f.server {
		side |= 1
	}
	return unix.EpollEvent{Fd: side, Pad: int32(f.id.generation)}
}

// add takes a flow in, whose sockets the lobby knows no more. Both sockets are told to epoll before the loop can look
// at either, since it may come to their end at once.
func (l *loop) add(f *Flow) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	f.id = id{int32(len(l.flows)), l.last}
	if n := len(l.free); n > 0 {
		f.id.slot, l.free = l.free[n-1], l.free[:n-1]
	} else {
		l.flows = append(l.flows, nil)
	}
	l.flows[f.id.slot] = f
	for _, g := range []*leg{&f.client, &f.server} {
		g.events = told | inward
		if err := l.control(unix.EPOLL_CTL_ADD, g.fd, g.events, f.event(g)); err != nil {
			l.release(f)
			return err
		}
	}
	return nil
}

// release is called with mu held.
func (l *loop) release(f *Flow) {
	l.flows[f.id.slot] = nil
	l.free = append(l.free, f.id.slot)
}

// remove closes a flow's sockets.
func (l *loop) remove(f *Flow, reset bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.release(f)
	for _, g := range []*leg{&f.client, &f.server} {
		if reset {
			g.reset()
		} else {
			g.close()
		}
	}
}

func (l *loop) appendFlows(to []*Flow) []*Flow {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.flows {
		if f != nil {
			to = append(to, f)
		}
	}
	return to
}

// abort asks the loop to end a flow.
func (l *loop) abort(f *Flow, cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.flows[f.id.slot] == f {
		l.aborts = append(l.aborts, ending{f, cause})
		l.wake()
	}
}

// stop ends the loop, which has no flows.
func (l *loop) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closing = true
	l.wake()
}

// wake ends a wait that goes on or is about to begin; called with mu held.
func (l *loop) wake() { _ = l.file.SetReadDeadline(time.Unix(1, 0)) }

// run is the loop.
func (l *loop) run() {
	for {
		l.wait()
		aborts, closing := l.resolve()
		if closing {
			l.file.Close()
			return
		}
		for _, a := range aborts {
			a.flow.finish(a.cause)
		}
		l.now = now()
		l.queue, l.others = l.others[:0], l.queue
		for _, r := range l.ready {
			l.tell(r)
		}
		for p := l.timers.due(l.now); p != nil; p = l.timers.due(l.now) {
			p.turn(l)
		}
		for _, p := range l.others {
			if p.state == queued {
				p.turn(l)
			}
		}
		clear(l.others)
		l.bury()
	}
}

// burials is how many flows are closed in a round: about a millisecond's worth.
const burials = 32

// bury closes flows that have ended, the first first. That takes six system calls
// where learning of the end takes one, and when thousands end at once, those that
// live must not wait for all of it.
func (l *loop) bury() {
	for range burials {
		if l.closed == len(l.dead) {
			break
		}
		d := l.dead[l.closed]
		l.dead[l.closed] = ending{}
		l.closed++
		d.flow.close(d.cause)
	}
	if l.closed < len(l.dead) {
		return
	}
	l.dead, l.closed = l.dead[:0], 0
	if cap(l.dead) > 32*burials {
		l.dead = nil
	}
}

// resolve finds the legs that events are about.
func (l *loop) resolve() (aborts []ending, closing bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.ready)
	l.ready = l.ready[:0]
	for _, e := range l.events[:l.found] {
		f := l.flows[e.Fd>>1]
		if f == nil || f.id.generation != uint32(e.Pad) {
			continue
		}
		g := &f.client
		if e.Fd&1 != 0 {
			g = &f.server
		}
		l.ready = append(l.ready, ready{g, e.Events})
	}
	if l.aborts != nil {
		aborts, l.aborts = l.aborts, nil
		l.alarm = -1 // overwritten by wake
	}
	return aborts, l.closing
}

// tell gives turns to the directions that an event concerns.
func (l *loop) tell(r ready) {
	f := r.leg.flow
	if f.over {
		return
	}
	from, to := f.of(r.leg)
	const trouble = unix.EPOLLERR | unix.EPOLLHUP
	if to.state == stalled && r.events&(outward|trouble) != 0 {
		to.turn(l)
	}
	if from.state == waiting && r.events&(inward|trouble) != 0 && !f.over {
		from.turn(l)
	}
	// A leg that has nothing more to say can still fail.
	if (from.state == ended || from.state == holding) && r.events&unix.EPOLLERR != 0 && !f.over {
		if err := r.leg.failure(); err != nil {
			f.finish(err)
		}
	}
}

// sleep wakes p at the given time; until then nothing that src gets does.
func (l *loop) sleep(p *pump, at int64) {
	p.state = asleep
	l.timers.add(p, at)
	l.listen(p.src)
}

// listen has epoll tell what is waited for at a leg. Changing it makes epoll
// look again, so nothing is missed. Of room to write it tells nothing before some
// was lacking: each new flow would wake the loop for nothing.
func (l *loop) listen(g *leg) {
	from, to := g.flow.of(g)
	events := uint32(told | inward)
	if g.full {
		events |= outward
	}
	if from.state == asleep {
		events = told
		if to.state == stalled {
			events |= outward
		}
	}
	if events == g.events {
		return
	}
	g.events = events
	if err := l.control(unix.EPOLL_CTL_MOD, g.fd, events, g.flow.event(g)); err != nil {
		g.flow.finish(err)
	}
}

// wait waits for events, or until the first timer is due.
//
// A nap is slept through in the system call, the scheduler not knowing of it:
// a call it knows of, or a wait in its own poller, has its watchdog or another
// thread wake up beside each nap. A longer wait must not keep one of the
// scheduler's processors, so it is left to the runtime's poller, to which an
// epoll instance is a descriptor like others.
func (l *loop) wait() {
	if len(l.queue) > 0 || len(l.dead) > 0 {
		l.poll(0)
		return
	}
	alarm := int64(0)
	if len(l.timers) > 0 {
		alarm = l.timers[0].timer.at
		if d := alarm - now(); d <= int64(2*maxNap) {
			l.nap(max(0, d))
			return
		}
	}
	if alarm != l.alarm {
		l.mu.Lock()
		if len(l.aborts) == 0 && !l.closing { // else wake has set it
			l.alarm = alarm
			_ = l.file.SetReadDeadline(deadline(alarm))
		}
		l.mu.Unlock()
	}
	l.polled = true
	if err := l.waiter.Read(l.look); err != nil { // it is time
		l.alarm = -1
		l.poll(0)
	}
}

// nap waits in the system call.
//
// The thread whose wait in the runtime's poller ended runs the goroutine that
// was waited for, here this loop, and another takes its place in the poller
// only once the goroutine rests (Go 1.26, findRunnable). A nap is no rest: who
// waited for a socket meanwhile, the other loops with all their flows among
// them, would do so until the watchdog looks, which is each 10 ms at best. A
// goroutine that is started has a thread look for work, which goes to the
// poller when there is none left.
func (l *loop) nap(d int64) {
	if l.polled {
		l.polled = false
		go func() {}()
	}
	l.poll(d)
}

func deadline(at int64) time.Time {
	if at == 0 {
		return time.Time{}
	}
	return epoch.Add(time.Duration(at))
}

// poll takes the events there are, waiting for the first at most d.
func (l *loop) poll(d int64) (found bool) {
	l.timeout = timespec{nanoseconds: d}
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT2, uintptr(l.epoll), uintptr(unsafe.Pointer(&l.events)),
		uintptr(len(l.events)), uintptr(unsafe.Pointer(&l.timeout)), 0, 0)
	l.found = int(n)
	if errno != 0 { // EINTR
		l.found = 0
	}
	return l.found > 0
}

// timespec has 64 bits a field on every machine, as epoll_pwait2 wants it.
type timespec struct{ seconds, nanoseconds int64 }
