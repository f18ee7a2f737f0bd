package limits

import (
	"sync"
	"sync/atomic"
	"time"
)

// period is the month that a client's bytes are counted for; the bytes stand
// in its two limiters.
type period struct {
	start, end atomic.Int64 // Unix seconds
	mu         sync.Mutex   // held to begin another
}

// turn begins another month if now is past the present one. A clock that was
// set back before its start forgives nothing; neither does a moved reset day.
// Without the first, a clock once wrong by years would never reset again.
func (c *Client) turn(now time.Time) {
	unix := now.Unix()
	if p := &c.period; unix >= p.start.Load() && unix < p.end.Load() {
		return
	}
	p := &c.period
	p.mu.Lock()
	defer p.mu.Unlock()
	start, end := c.limits.Load().Period(now)
	if old := p.end.Load(); old != 0 && unix >= old {
		c.up.bytes.Store(0)
		c.down.bytes.Store(0)
	}
	p.start.Store(start.Unix())
	p.end.Store(end.Unix())
}

// moved begins the month anew after the reset day was changed, with what has
// been counted.
func (c *Client) moved(now time.Time) {
	c.turn(now)
	c.period.mu.Lock()
	defer c.period.mu.Unlock()
	start, end := c.limits.Load().Period(now)
	c.period.start.Store(start.Unix())
	c.period.end.Store(end.Unix())
}

// Add counts bytes that were moved elsewhere.
func (c *Client) Add(up, down int64, now time.Time) {
	c.turn(now)
	c.up.bytes.Add(up)
	c.down.bytes.Add(down)
}

// Volume is what a client has moved this month.
type Volume struct {
	Start time.Time `json:"start"` // of the month
	End   time.Time `json:"end"`
	Up    int64     `json:"up_bytes"`
	Down  int64     `json:"down_bytes"`
}

// Volume returns the bytes counted by c's limiters this month.
func (c *Client) Volume(now time.Time) Volume {
	c.turn(now)
	return Volume{
		Start: time.Unix(c.period.start.Load(), 0).UTC(),
		End:   time.Unix(c.period.end.Load(), 0).UTC(),
		Up:    c.up.bytes.Load(),
		Down:  c.down.bytes.Load(),
	}
}
