package health

import (
	"sync"
	"time"

	"tandem/cpe/uplink"
)

// line is what is known of one line. The watch's mu guards it, but for rtt.
type line struct {
	name    string
	wan     uplink.WAN
	budget  *Budget // nil: it costs nothing
	present bool
	up      bool

	at      time.Time
	packets uint64        // received until then
	bytes   uint64        // both ways until then
	rate    float64       // of bytes a second, since the look before
	pace    float64       // packets received a second, lately
	silent  time.Duration // since the last one
	sent    uint64        // packets sent until the last one was received
	alone   uint64        // packets sent since
	moving  time.Time     // when there was last some traffic

	asking bool
	asked  time.Time
	lost   bool      // the question found no answer, nor did the others'
	since  time.Time // of its state, or of the last working line's loss
	heard  bool      // something has come in since it was asked

	mu  sync.Mutex
	rtt time.Duration // of probes, smoothed; 0 while unknown
	odd bool          // the last one was another than those before
	// What questions have shown, for others who may not ask.
	tried time.Time // when the last one was over
	mute  time.Time // since when they find no answer; zero: they do
}

const (
	// steady is the pace from which a sudden silence means something.
	steady = 40
	// nearlySteady is the pace from which it may soon be that.
	nearlySteady = 10
	// quiet is that silence: longer than the pauses of a sender that waits for
	// its next round trip.
	quiet = 150 * time.Millisecond

	// unheard packets of ours in that time mean something, too: more than the
	// last acknowledgements of a transfer that has ended.
	unheard = 4

	// restMost is how long nobody looks at a line that is at rest.
	restMost = 5 * time.Minute
	// fewBytes is a rate that may go uncounted for as long, bytes a second.
	fewBytes = 10e3

	idleProbe        = time.Minute
	comparedProbe    = 5 * time.Second // while delays are compared
	oddProbe         = time.Second     // as long as they are not settled
	idleProbeMetered = time.Hour

	lostProbe        = time.Second
	lostProbeMetered = 10 * time.Minute // at most so far apart

	// A dead line is asked often at first: its return is worth more than the
	// packets, none of which arrive.
	deadProbe     = 500 * time.Millisecond
	deadProbeLate = 10 * time.Second
	deadLate      = 10 * time.Minute
	// On a metered line they cost all the same, and an operator counts them: they
	// come a thirtieth of the time apart that it is dead, so that its return is
	// noticed after that share of its absence, and at most deadProbeMetered.
	deadShare        = 30
	deadProbeMetered = 10 * time.Minute

	mostPatience = time.Second

	// probeBytes is what a handshake and its end cost, both ways, and lostBytes
	// the SYN alone: by IPv6, with a frame around each packet.
	probeBytes = 360
	lostBytes  = 100
)

// see books the counters.
func (l *line) see(now time.Time, wan uplink.WAN, c uplink.Counters) {
	l.wan = wan
	if wan.Present != l.present || wan.Up != l.up {
		l.present, l.up = wan.Present, wan.Up
		l.pace, l.silent, l.asked, l.lost = 0, 0, now, false
		l.moving, l.since, l.heard = now, now, false
	}
	dt := now.Sub(l.at)
	came := c.DownPackets - l.packets
	fresh := l.at.IsZero() || c.DownPackets < l.packets
	l.rate = float64(c.Up+c.Down-l.bytes) / dt.Seconds()
	l.at, l.packets, l.bytes = now, c.DownPackets, c.Up+c.Down
	if fresh || dt <= 0 {
		return
	}
	if came == 0 {
		l.silent += dt
		l.alone = c.UpPackets - l.sent
		if l.silent > 2*time.Second {
			l.pace = 0
		}
		return
	}
	l.silent, l.moving, l.sent, l.alone, l.lost, l.heard = 0, now, c.UpPackets, 0, false, true
	l.pace += (float64(came)/dt.Seconds() - l.pace) * min(1, dt.Seconds()/0.3)
}

// busy tells whether a silence would be noticed only by looking often.
func (l *line) busy() bool {
	return l.present && (l.asking || l.pace >= nearlySteady)
}

// due tells whether the line has to be asked now, and spends what that costs. others is when something last
// came in over another line; compared says that delays are compared.
func (l *line) due(now, others time.Time, compared bool) bool {
	switch {
	case !l.present || l.asking:
		return false
	case !l.up:
		return now.Sub(l.asked) >= l.deadEvery(now) && l.budget.Need(l.wan, l.deadPrice())
	case l.pace >= steady && l.silent >= quiet && (!l.wan.Metered || others.Sub(l.moving) >= quiet || l.alone >= unheard):
		// When all traffic ends there is likely nothing to be missed, which is
		// not worth its price on a metered line. But the sender of a download
		// falls silent with its line, and who receives says nothing then.
		l.pace = 0 // once for each time it falls silent
		return l.pays()
	}
	every := l.idleEvery(compared)
	if l.lost {
		every = l.lostEvery(now)
	}
	return l.silent >= every && now.Sub(l.asked) >= every && l.pays()
}

// lostEvery is how often a line is asked after no line has answered. When another
// one answers again, this one is known to be dead.
func (l *line) lostEvery(now time.Time) time.Duration {
	most := idleProbe
	if l.wan.Metered {
		most = lostProbeMetered
	}
	return share(now.Sub(l.moving), 8, lostProbe, most)
}

// share is how far apart questions are that come in proportion to how long an
// answer has been missing.
func share(missing, part, least, most time.Duration) time.Duration {
	return min(max(least, missing/part), most)
}

// deadEvery is how often a dead line is asked.
func (l *line) deadEvery(now time.Time) time.Duration {
	switch {
	case l.wan.Metered:
		return share(now.Sub(l.since), deadShare, deadProbe, deadProbeMetered)
	case now.Sub(l.moving) > deadLate:
		return deadProbeLate
	}
	return deadProbe
}

// deadRest is when to look at a dead line again.
func (l *line) deadRest(now time.Time) time.Duration {
	every := l.deadEvery(now)
	if left := every - now.Sub(l.asked); left > 0 {
		return max(left, busyTick)
	}
	return every // it is asked now, or cannot pay
}

// deadPrice is what the next question on a dead line costs. One that came in late
// was answered by a reset: the next one pays for that.
func (l *line) deadPrice() int64 {
	if l.heard {
		return probeBytes
	}
	return lostBytes
}

// idleEvery is how often a line over which nothing comes is asked.
func (l *line) idleEvery(compared bool) time.Duration {
	switch {
	case l.wan.Metered:
		return idleProbeMetered
	case compared && !l.settled():
		return oddProbe
	case compared:
		return comparedProbe
	}
	return idleProbe
}

// rest is how long the line need not be looked at while there are no flows:
// until it is due, unless there is other traffic to be counted.
func (l *line) rest(now time.Time, compared bool) time.Duration {
	switch {
	case !l.present:
		return restMost
	case l.rate >= fewBytes:
		return restTick
	}
	every := l.idleEvery(compared)
	return min(restMost, max(every-l.silent, every-now.Sub(l.asked)))
}

// pays spends the cost of a probe, if a metered line has as much left.
func (l *line) pays() bool { return l.budget.Take(l.wan, probeBytes) }

// patience is how long an answer may take. elsewhere is the round trip that others
// have found; without any, the line may be one by satellite.
func (l *line) patience(elsewhere time.Duration) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	rtt := l.rtt
	if rtt == 0 {
		rtt = elsewhere
	}
	if rtt == 0 {
		return mostPatience
	}
	return min(max(2*rtt, rtt+80*time.Millisecond), mostPatience)
}

// settled tells whether the round trip is known and has not changed lately.
func (l *line) settled() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rtt > 0 && !l.odd
}

// recalls tells what the last question over the line has shown, and whether that
// still holds: no answer does for an eighth of the time since the last one, unless
// something has moved over another line.
func (l *line) recalls(now, moved time.Time) (answers, holds bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mute.IsZero() {
		return true, false
	}
	every := share(now.Sub(l.mute), 8, lostProbe, lostProbeMetered)
	return false, now.Sub(l.tried) < every && !moved.After(l.tried)
}

// unanswered books a question without an answer.
func (l *line) unanswered(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tried = now; l.mute.IsZero() {
		l.mute = now
	}
}

// answered books a question that was answered, and after which time if that says
// something.
func (l *line) answered(now time.Time, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tried, l.mute = now, (time.Time{}); took == 0 {
		return
	}
	if l.rtt == 0 {
		l.rtt = took
	}
	l.odd = (took - l.rtt).Abs() > l.rtt/4
	l.rtt += (took - l.rtt) / 4
}
