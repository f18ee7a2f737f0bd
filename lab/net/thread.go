package labnet

import (
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// thread drives both directions of a link. Its cost is waking up: on a
// virtual machine one timed sleep takes tens of microseconds of processor
// time (measured), more than moving a packet. So there is one thread for both
// directions, and a busy link gathers packets between wake-ups.
type thread struct {
	pipes [2]*pipe
	poll  [3]unix.PollFd // wake, then where each pipe reads
	load  load
}

const (
	// A busy link sleeps at least gather, if a packet is due sooner, and at
	// most rest. A packet is read up to rest late and sent up to gather late.
	gather = 200 * time.Microsecond
	rest   = 400 * time.Microsecond
	// maxHold is how long a sleep may keep a processor of the Go scheduler.
	maxHold = 10 * time.Millisecond
)

func newThread(pipes [2]*pipe) (*thread, error) {
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, err
	}
	t := &thread{pipes: pipes}
	t.poll[0] = unix.PollFd{Fd: int32(wake), Events: unix.POLLIN}
	for i, p := range pipes {
		t.poll[i+1] = unix.PollFd{Fd: int32(p.from), Events: unix.POLLIN}
	}
	return t, nil
}

// run returns when a device is gone.
func (t *thread) run() {
	runtime.LockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1000, 0, 0, 0) // ns
	for alive := true; alive; {
		a, dueA := t.pipes[0].step()
		b, dueB := t.pipes[1].step()
		due := min(dueA, dueB)
		now := t.pipes[0].now()
		switch busy := t.load.note(now, a+b); {
		case busy:
			alive = t.sleep(1, max(int64(gather), min(int64(rest), due-now)))
		case due == never:
			alive = t.sleepLong()
		default:
			alive = t.sleep(len(t.poll), max(0, min(int64(maxHold), due-now)))
		}
	}
}

// sleep waits at most d ns for the first n descriptors. It reports false if a
// device is gone. The system call is made behind the back of the Go
// scheduler: telling it costs several wake-ups of its monitor for each sleep.
func (t *thread) sleep(n int, d int64) bool {
	timeout := unix.NsecToTimespec(d)
	got, _, _ := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&t.poll)), uintptr(n),
		uintptr(unsafe.Pointer(&timeout)), 0, 0, 0)
	return t.woken(int(got))
}

// sleepLong waits for anything to happen.
func (t *thread) sleepLong() bool {
	got, _ := unix.Ppoll(t.poll[:], nil, nil)
	return t.woken(got)
}

func (t *thread) woken(events int) bool {
	if events <= 0 { // time is up (0), or a signal
		return true
	}
	if t.poll[0].Revents != 0 {
		var count [8]byte
		_, _ = unix.Read(int(t.poll[0].Fd), count[:])
	}
	return (t.poll[1].Revents|t.poll[2].Revents)&(unix.POLLERR|unix.POLLNVAL) == 0
}

// poke ends a sleep. The value of an eventfd is in host order; any one will do.
func (t *thread) poke() {
	_, _ = unix.Write(int(t.poll[0].Fd), []byte{1, 0, 0, 0, 0, 0, 0, 0})
}

// load tells a busy link from one with a packet now and then.
type load struct {
	since       int64
	count, last int
}

const (
	loadWindow = 4 * time.Millisecond
	loadBusy   = 10 // packets read or sent in a window
)

// note counts packets and reports whether the link is busy.
func (l *load) note(now int64, packets int) bool {
	if gone := now - l.since; gone > int64(loadWindow) {
		l.last = l.count
		if gone > 2*int64(loadWindow) {
			l.last = 0
		}
		l.since, l.count = now, 0
	}
	l.count += packets
	return l.count >= loadBusy || l.last >= loadBusy
}
