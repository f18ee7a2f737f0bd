package warm

import "time"

const (
	gap        = 8 * time.Millisecond // between two openings
	atOnce     = 16                   // openings at a time
	pauseFirst = time.Second
	pauseMost  = time.Minute

	// respite is how long flows that come after a lull have router and line
	// to themselves: those of a page that find no connection ready are dialled
	// in that time. There is more than enough until the reader goes on.
	respite = 300 * time.Millisecond
	lull    = time.Second

	lifeMost  = 10 * time.Minute
	lifeLeast = 20 * time.Second
)

// pace says when the next connection may be opened, how many are allowed, and
// how long one is trusted.
type pace struct {
	last  time.Time     // an opening began
	pause time.Duration // after the next setback
	again time.Time     // not before
	flow  time.Time     // the last one came
	held  time.Time     // nor before this, for flows' sake

	limit   int // less than the configured one while the concentrator is short of room
	relaxed time.Time

	life time.Duration // a parked connection older than this is replaced
}

func newPace() pace { return pace{pause: pauseFirst, life: lifeMost} }

// next returns when one more may be opened, with n on their way.
func (p *pace) next(n int) (at time.Time, ok bool) {
	if n >= atOnce {
		return time.Time{}, false // the end of one is told
	}
	at = p.last.Add(gap)
	if p.again.After(at) {
		at = p.again
	}
	if p.held.After(at) {
		at = p.held
	}
	return at, true
}

// arrive books a flow.
func (p *pace) arrive(now time.Time) {
	if now.Sub(p.flow) > lull {
		p.held = now.Add(respite)
	}
	p.flow = now
}

// setback is a connection that could not be made, or that the concentrator
// closed while it was parked: it may be going away. Those of one moment count
// once.
func (p *pace) setback(now time.Time) {
	if now.Before(p.again) {
		return
	}
	p.again = now.Add(p.pause)
	p.pause = min(2*p.pause, pauseMost)
}

// proved says that a parked connection was good for a flow, idle as long.
func (p *pace) proved(idle time.Duration) {
	p.pause = pauseFirst
	if idle > p.life*3/4 {
		p.life = min(p.life*5/4, lifeMost)
	}
}

// stale says that a parked connection was dead without a word when a flow
// wanted it after that much idling: something on the way forgot it.
func (p *pace) stale(idle time.Duration) {
	p.life = min(p.life, max(idle/2, lifeLeast))
}

// shed says that the concentrator wants fewer than have parked connections,
// for wait.
func (p *pace) shed(now time.Time, have int, wait time.Duration) {
	if p.limited(now) && p.relaxed.Sub(now) > wait/2 { // the same news
		p.limit = min(p.limit, have/2)
		return
	}
	p.limit, p.relaxed = have/2, now.Add(max(wait, pauseFirst))
}

func (p *pace) limited(now time.Time) bool { return now.Before(p.relaxed) }

// allow bounds how many there may be.
func (p *pace) allow(now time.Time, n int) int {
	if p.limited(now) {
		return min(n, p.limit)
	}
	return n
}
