package steer

import (
	"slices"
	"time"

	"github.com/tandem-mptcp/tandem/cpe/uplink"
	"github.com/tandem-mptcp/tandem/shared/mptcp"
)

// load is how full one line is: all that its device carries, Tandem's or not,
// against what it can carry, and how long packets wait for it.
type load struct {
	down, up direction
	base     time.Duration // round trip while nothing waits
	at       time.Time
	index    int // of the device
}

// direction is one way of a line.
type direction struct {
	bytes    uint64
	rate     float64 // bit/s, over the last half second or so
	told     float64 // what it can carry, by the configuration; 0: not told
	learnt   float64 // as shown while packets waited; 0: not yet
	waits    []time.Duration
	shown    time.Time // when there were such
	queueing bool      // packets wait
}

const (
	// rateTime is the time constant of rates.
	rateTime = 400 * time.Millisecond
	// baseGrowth is how fast the shortest round trip is forgotten, in one
	// second: by a tenth in two minutes.
	baseGrowth = 0.0008
	// queueLeast is how long packets wait at least before a line counts as
	// full: more than a busy machine or a radio network adds.
	queueLeast = 12 * time.Millisecond
	// shownFor is how long that is believed without anything that shows it.
	shownFor = 300 * time.Millisecond
)

// capacity is what a direction can carry, 0 while unknown.
func (d *direction) capacity() float64 {
	if d.told > 0 {
		return d.told
	}
	return d.learnt
}

// count books the device's counters.
func (l *load) count(now time.Time, w uplink.WAN, c uplink.Counters) {
	l.down.told, l.up.told = w.RateDown, w.RateUp
	dt := now.Sub(l.at)
	if l.index != w.Index || c.Down < l.down.bytes || c.Up < l.up.bytes || dt > 10*time.Second {
		l.index, l.down.rate, l.up.rate = w.Index, 0, 0
		l.base = 0
	} else if dt > 0 {
		l.down.follow(c.Down, dt)
		l.up.follow(c.Up, dt)
		l.base += time.Duration(float64(l.base) * baseGrowth * dt.Seconds())
	}
	l.at, l.down.bytes, l.up.bytes = now, c.Down, c.Up
	l.down.waits, l.up.waits = l.down.waits[:0], l.up.waits[:0]
}

func (d *direction) follow(bytes uint64, dt time.Duration) {
	now := float64(bytes-d.bytes) * 8 / dt.Seconds()
	d.rate += (now - d.rate) * min(1, dt.Seconds()/rateTime.Seconds())
}

// sample books what a subflow shows that carried up and down bytes since it was
// last looked at.
func (l *load) sample(s mptcp.Subflow, up, down uint64) {
	for _, rtt := range []time.Duration{s.MinRTT, s.RTT} {
		if rtt > 0 && (l.base == 0 || rtt < l.base) {
			l.base = rtt
		}
	}
	// The sender of the bytes knows the round trip by their acknowledgements;
	// the receiver by the echoes of its time stamps.
	const matters = 16 << 10
	switch {
	case down > up && down >= matters && s.ReceiveRTT > 0:
		l.down.waits = append(l.down.waits, s.ReceiveRTT)
	case up > down && up >= matters:
		l.up.waits = append(l.up.waits, s.RTT)
	}
}

// judge closes the round of samples.
func (l *load) judge(now time.Time, dt time.Duration) {
	for _, d := range []*direction{&l.down, &l.up} {
		if len(d.waits) == 0 || l.base == 0 {
			d.queueing = d.queueing && now.Sub(d.shown) < shownFor
			continue
		}
		d.shown = now
		slices.Sort(d.waits)
		d.queueing = d.waits[len(d.waits)/2]-l.base >= max(queueLeast, l.base/3)
		if !d.queueing {
			continue
		}
		switch {
		case d.rate > d.learnt:
			d.learnt = d.rate
		default: // the line may have become slower
			d.learnt += (d.rate - d.learnt) * min(1, dt.Seconds()/5)
		}
	}
}

// full tells whether the line can carry no more: packets wait, and it carries
// about what it can, as far as that is known; or it carries what it was said
// to carry.
func (l *load) full() bool { return l.down.full() || l.up.full() }

func (d *direction) full() bool {
	c := d.capacity()
	return d.queueing && d.rate >= 0.75*c || d.told > 0 && d.rate >= 0.97*d.told
}
