package steer

import (
	"time"

	"tandem/cpe/uplink"
	"tandem/shared/mptcp"
	"tandem/shared/order"
)

// load is how full one line is: all that its device carries, Tandem's or not,
// against what it can carry, and how long packets wait for it.
type load struct {
	down, up direction
	base     time.Duration // round trip while nothing waits
	at       time.Time
	index    int       // of the device
	late     time.Time // see heldUp
}

// direction is one way of a line.
type direction struct {
	past     []reading     // of the last rateTime, the newest last
	rate     float64       // bit/s, over that time
	full     time.Duration // it carries what it can for so long, with forgetting
	told     float64       // what it can carry, by the configuration; 0: not told
	learnt   float64       // as shown while packets waited; 0: not yet
	over     time.Duration // for how long the rate has been higher
	waits    []time.Duration
	shown    time.Time     // when there were such
	queueing time.Duration // for how long packets have waited; 0: they do not
}

// reading is a counter at a time.
type reading struct {
	at    time.Time
	bytes uint64
}

const (
	// rateTime is what rates are the mean of.
	rateTime = 600 * time.Millisecond
	// baseGrowth is how fast the shortest round trip is forgotten, in one
	// second: by a tenth in two minutes.
	baseGrowth = 0.0008
	// queueLeast is how long packets wait at least before a line counts as
	// full: more than a busy machine or a radio network adds.
	queueLeast = 12 * time.Millisecond
	// believed is how long a rate has to last that is higher than the line's:
	// what was held up somewhere comes all at once, faster than the line is.
	believed = time.Second
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
	if l.index != w.Index || c.Down < l.down.last() || c.Up < l.up.last() || dt > 10*time.Second {
		l.index, l.base = w.Index, 0
		l.down.past, l.up.past = nil, nil
	} else if dt > 0 {
		l.base += time.Duration(float64(l.base) * baseGrowth * dt.Seconds())
	}
	l.at = now
	l.down.follow(now, c.Down)
	l.up.follow(now, c.Up)
	l.down.waits, l.up.waits = l.down.waits[:0], l.up.waits[:0]
}

func (d *direction) last() uint64 {
	if len(d.past) == 0 {
		return 0
	}
	return d.past[len(d.past)-1].bytes
}

// follow makes the rate the mean since the last reading that is rateTime old.
func (d *direction) follow(now time.Time, bytes uint64) {
	d.past = append(d.past, reading{now, bytes})
	for len(d.past) > 2 && now.Sub(d.past[1].at) >= rateTime {
		d.past = append(d.past[:0], d.past[1:]...)
	}
	d.rate = 0
	if dt := now.Sub(d.past[0].at); dt > 0 {
		d.rate = float64(bytes-d.past[0].bytes) * 8 / dt.Seconds()
	}
}

// backlog is how long the line would carry what waits to be sent at least where
// the line is what it waits for, and not a pause of the sender. So it is, too,
// where the socket takes no more: its buffer may be smaller than that.
const backlog = 100 * time.Millisecond

// sample books what a subflow shows that carried up and down bytes since it was
// last looked at, and has unsent bytes behind it, in a buffer that is full or not.
func (l *load) sample(s mptcp.Subflow, up, down, unsent uint64, full bool) {
	for _, rtt := range []time.Duration{s.MinRTT, s.RTT} {
		if rtt > 0 && (l.base == 0 || rtt < l.base) {
			l.base = rtt
		}
	}
	// The sender of the bytes knows the round trip by their acknowledgements;
	// the receiver by the echoes of its time stamps.
	const matters, little = 16 << 10, 4 << 10
	// A flow that wants more tells even when others leave it little.
	wants := full || float64(unsent) >= max(matters, l.up.rate/8*backlog.Seconds())
	switch {
	case down > up && down >= matters && s.ReceiveRTT > 0:
		l.down.waits = append(l.down.waits, s.ReceiveRTT)
	case up > down && up >= little && wants:
		l.up.waits = append(l.up.waits, s.RTT)
	case up > down && up >= matters:
		l.up.waits = append(l.up.waits, l.base) // a busy processor delays, too
	}
}

// judge closes the round of samples.
func (l *load) judge(now time.Time, dt time.Duration) {
	for _, d := range []*direction{&l.down, &l.up} {
		d.watch(now, dt, l.base)
		if now.Sub(l.late) >= rateTime {
			d.weigh(dt)
		}
	}
}

// watch notes whether packets wait, and learns from it what the line can carry.
func (d *direction) watch(now time.Time, dt, base time.Duration) {
	if len(d.waits) == 0 || base == 0 {
		if now.Sub(d.shown) >= shownFor {
			d.queueing = 0
		}
		return
	}
	d.shown = now
	order.Slice(d.waits, func(i, j int) bool { return d.waits[i] < d.waits[j] })
	if d.queueing += dt; d.waits[len(d.waits)/2]-base < max(queueLeast, base/3) {
		d.queueing = 0
	}
	if d.over += dt; d.rate <= 1.05*d.learnt {
		d.over = 0
	}
	switch {
	case d.learnt == 0 && d.queueing > 0, d.learnt > 0 && d.over >= believed:
		d.learnt = d.rate
	case d.queueing > 0 && d.over == 0: // the line may have become slower, or is a little faster
		slowly := 5.0               // s
		if d.queueing >= rateTime { // all of what the rate is the mean of had to wait
			slowly = 0.5
		}
		d.learnt += (d.rate - d.learnt) * min(1, dt.Seconds()/slowly)
	}
}

// weigh counts how long the line has carried what it can. By a rate that was
// told the mean itself says so. By one that is learnt packets have to wait
// besides; they do not all the time, since senders probe.
func (d *direction) weigh(dt time.Duration) {
	switch {
	case d.told > 0 && d.rate >= 0.95*d.told:
		d.full = fullFor
	case d.queueing > 0 && d.rate >= 0.75*d.capacity():
		d.full = min(d.full+dt, fullFor)
	default:
		d.full = max(0, d.full-dt/2)
	}
}

// full tells whether the line can carry no more, and could not for a while.
func (l *load) full() bool { return l.down.full >= fullFor || l.up.full >= fullFor }

// heldUp says that the router itself was held up until now: what had piled up
// comes as fast as the line carries, and tells nothing of demand.
func (l *load) heldUp(now time.Time) {
	l.late = now
	l.begin()
}

// begin forgets how full the line was.
func (l *load) begin() { l.down.full, l.up.full = 0, 0 }
