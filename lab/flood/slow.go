package flood

import (
	"context"
	"net/netip"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	labnet "tandem/lab/net"
)

// Slow holds connections open by saying little: a byte now and then of
// something that might become a request.
type Slow struct {
	Host    *labnet.Host
	Sources []netip.Addr
	To      netip.AddrPort
	Payload []byte        // one byte of it at a time
	Every   time.Duration // so long between bytes
	Opened  func()        // called when all have been begun; nil: nothing
}

// SlowResult says how they ended.
type SlowResult struct {
	Opened int           // begun
	Closed int           // ended by the other side
	Bytes  int64         // received
	First  time.Duration // from its begin to its end: the shortest
	Last   time.Duration // and the longest
}

// Run opens n connections and returns when all are closed or ctx ends.
func (s Slow) Run(ctx context.Context, n int) (r SlowResult, err error) {
	err = s.Host.Do(func() error {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		return s.run(ctx, n, &r)
	})
	return r, err
}

func (s Slow) run(ctx context.Context, n int, r *SlowResult) error {
	w := worker{Flood: Flood{Sources: s.Sources, To: s.To}, conns: map[int32]*conn{}}
	var err error
	if w.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	defer unix.Close(w.epoll)
	next := time.Now().Add(s.Every)
	events := make([]unix.EpollEvent, 512)
	for ctx.Err() == nil {
		// In portions, so that the queue of what is not accepted yet holds them.
		for i := 0; i < 200 && r.Opened < n; i++ {
			if err := w.begin(); err != nil {
				return err
			}
			if r.Opened++; r.Opened == n && s.Opened != nil {
				s.Opened()
			}
		}
		got, err := unix.EpollWait(w.epoll, events, 5)
		if err != nil && err != unix.EINTR {
			return err
		}
		for _, e := range events[:max(0, got)] {
			c := w.conns[e.Fd]
			if c == nil {
				continue
			}
			if w.step(c, e.Events); c.ended {
				took := time.Since(c.since)
				r.Last = max(r.Last, took)
				if r.First == 0 || took < r.First {
					r.First = took
				}
			}
		}
		if time.Now().After(next) {
			next = next.Add(s.Every)
			for fd, c := range w.conns {
				_, _ = unix.SendmsgN(int(fd), s.Payload[c.said%len(s.Payload):][:1], nil, nil, unix.MSG_NOSIGNAL)
				c.said++
			}
		}
		if r.Opened == n && len(w.conns) == 0 {
			break
		}
	}
	for _, c := range w.conns {
		w.end(c)
	}
	r.Closed, r.Bytes = int(w.Ended+w.Failed), w.Bytes
	return nil
}
