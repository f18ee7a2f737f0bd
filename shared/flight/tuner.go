package flight

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tandem/shared/mptcp"
)

// Flow is one relayed connection as the tuner sees it.
type Flow interface {
	comparable
	Bytes() (up, down int64)
}

// Tuner sizes the send buffers of flows that carry much, and pushes what those
// that stand still have not sent.
type Tuner[F Flow] struct {
	// Warn is told, once, why buffers cannot be sized.
	Warn  func(error)
	Flows func() []F
	// Started returns a channel that is closed as soon as there is a flow.
	Started func() <-chan struct{}
	// Leg returns a flow's connection with subflows, and Sent how much of its
	// bytes went out there.
	Leg  func(F) syscall.Conn
	Sent func(up, down int64) int64
	// Overhead is for [Size].
	Overhead float64

	warn sync.Once
}

const (
	// every is how often flows are looked at while one is busy: a few round
	// trips. Otherwise they are looked at rarely, and without any flow not at
	// all, so that an idle router sleeps.
	every  = 100 * time.Millisecond
	rarely = time.Second
	// much is what a flow sends between two looks to be worth a system call;
	// 2.5 Mbit/s.
	much = 32 << 10
)

// Run tunes until ctx ends.
func (t *Tuner[F]) Run(ctx context.Context) error {
	next := time.NewTimer(rarely)
	defer next.Stop()
	seen := make(map[F]state)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
		}
		var busy bool
		seen, busy = t.look(seen, time.Now())
		switch {
		case busy:
			next.Reset(every)
			continue
		case len(seen) == 0:
			select {
			case <-ctx.Done():
				return nil
			case <-t.Started():
			}
		}
		next.Reset(rarely)
	}
}

// state is what was last seen of a flow.
type state struct {
	sent   int64
	live   int       // subflows
	begun  time.Time // the flow was first seen to send much
	joined time.Time // a subflow came to those that had found their rate
	size   int       // of the buffer; 0: the kernel's

	losses []losses // by subflow

	open   bool // what was sent may not be all gone
	unsent int  // of it, when last looked
}

// settle is how long a subflow takes to find its rate. Until then that is no
// measure where others have theirs: a buffer for it would keep it slow, and
// the others with it. A young connection has a small buffer all the same: what
// it holds too much would be felt for seconds.
const settle = time.Second

// look tunes the busy ones. It returns what is known of all flows by now, and
// whether any was busy.
func (t *Tuner[F]) look(before map[F]state, at time.Time) (now map[F]state, busy bool) {
	flows := t.Flows()
	if len(flows) == 0 && len(before) == 0 {
		return before, false
	}
	now = make(map[F]state, len(flows))
	for _, f := range flows {
		s, known := before[f]
		s.open = s.open || !known
		n := t.Sent(f.Bytes())
		more := n - s.sent
		s.sent = n
		switch {
		case more >= much:
			busy, s.open = true, true
			t.tune(&s, t.Leg(f), at)
		case more > 0:
			s.open = true
		case s.open:
			s.push(t.Leg(f))
		}
		now[f] = s
	}
	return now, busy
}

// push looks after a flow that has nothing to add: what it has sent must not
// stay behind in the kernel ([mptcp.Push]).
func (s *state) push(leg syscall.Conn) {
	n, err := mptcp.Unsent(leg)
	if n > 0 && n == s.unsent {
		err = mptcp.Push(leg)
	}
	s.unsent, s.open = n, n > 0 && err == nil
}

// tune sizes the buffer of one flow.
func (t *Tuner[F]) tune(s *state, leg syscall.Conn, now time.Time) {
	subflows, err := mptcp.Subflows(leg)
	if err != nil {
		return // plain TCP, or ended this moment
	}
	if s.begun.IsZero() {
		s.begun = now
	}
	live := established(subflows)
	if live > s.live && now.Sub(s.begun) > settle {
		s.joined = now
	}
	s.live = live
	s.losses = follow(s.losses, subflows, now)
	size := Size(subflows, t.Overhead, worst(s.losses))
	if now.Sub(s.joined) < settle {
		if s.size == 0 {
			return
		}
		size = max(size, s.size)
	}
	if size == 0 || size == s.size {
		return
	}
	if err := mptcp.SetSendBuffer(leg, size); err == nil {
		s.size = size
	} else if errors.Is(err, unix.EPERM) {
		t.warn.Do(func() { t.Warn(err) })
	}
}

func established(subflows []mptcp.Subflow) (n int) {
	for _, s := range subflows {
		if s.State == mptcp.StateEstablished {
			n++
		}
	}
	return n
}
