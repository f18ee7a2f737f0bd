package flight

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-mptcp/tandem/shared/mptcp"
)

// Flow is one relayed connection as the tuner sees it.
type Flow interface {
	comparable
	Bytes() (up, down int64)
}

// Tuner sizes the send buffers of flows that carry much.
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
	sent := make(map[F]int64)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
		}
		var busy bool
		sent, busy = t.look(sent)
		switch {
		case busy:
			next.Reset(every)
			continue
		case len(sent) == 0:
			select {
			case <-ctx.Done():
				return nil
			case <-t.Started():
			}
		}
		next.Reset(rarely)
	}
}

// look tunes the busy ones. It returns what all flows have sent by now, and
// whether any was busy.
func (t *Tuner[F]) look(before map[F]int64) (now map[F]int64, busy bool) {
	flows := t.Flows()
	if len(flows) == 0 && len(before) == 0 {
		return before, false
	}
	now = make(map[F]int64, len(flows))
	for _, f := range flows {
		n := t.Sent(f.Bytes())
		now[f] = n
		if n-before[f] < much {
			continue
		}
		busy = true
		leg := t.Leg(f)
		subflows, err := mptcp.Subflows(leg)
		if err != nil {
			continue // plain TCP, or ended this moment
		}
		if size := Size(subflows, t.Overhead); size != 0 {
			if err := mptcp.SetSendBuffer(leg, size); errors.Is(err, unix.EPERM) {
				t.warn.Do(func() { t.Warn(err) })
			}
		}
	}
	return now, busy
}
