package credential

import (
	"sync/atomic"
	"time"
)

// clock is the converter's time in ms, as credentials are judged by it. It
// follows the system's clock, but where that is set back it goes on: what is
// too old once stays too old. After such a step clients correct themselves by
// Error 192 and the clock is right again with the next restart.
type clock struct {
	source func() (wall, mono int64)
	// ahead is the most that wall was ever ahead of mono.
	ahead *atomic.Int64
	// floor is the time before which nothing is accepted. A run of the
	// converter that left no snapshot has accepted times up to MaxAhead behind
	// its end, so its successor starts there.
	floor int64
}

// systemClock reads the system's two clocks in ms. Both are slewed alike, so
// their difference changes in steps only.
func systemClock() func() (wall, mono int64) {
	start := time.Now()
	return func() (wall, mono int64) {
		t := time.Now()
		return t.UnixMilli(), t.Sub(start).Milliseconds()
	}
}

func newClock(source func() (wall, mono int64)) clock {
	c := clock{source: source, ahead: new(atomic.Int64)}
	wall, mono := source()
	c.ahead.Store(wall - mono)
	c.floor = wall + MaxAhead.Milliseconds()
	return c
}

func (c *clock) now() int64 {
	wall, mono := c.source()
	for {
		ahead := c.ahead.Load()
		if wall-mono <= ahead {
			return mono + ahead
		}
		if c.ahead.CompareAndSwap(ahead, wall-mono) {
			return wall
		}
	}
}

// advance makes sure that the clock is at t or later.
func (c *clock) advance(t int64) {
	_, mono := c.source()
	c.now()
	c.ahead.Store(max(c.ahead.Load(), t-mono))
}

// accepts says whether a credential of time t is inside the window.
func (c *clock) accepts(t, now int64) bool {
	return t >= c.floor && t >= now-MaxAge.Milliseconds() && t <= now+MaxAhead.Milliseconds()
}

// advice is the time that a client is told to take for now. Behind a restart it
// is the floor, up to MaxAhead early; that keeps being accepted, as the client's
// clock runs on from there as fast as ours.
func (c *clock) advice() int64 { return max(c.now(), c.floor) }
