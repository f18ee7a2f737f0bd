package upstream

import (
	"sync"
	"time"

	"tandem/cpe/uplink"
)

// roundTrips are those to one concentrator, by line: what is a long silence over
// one is less than a round trip over another.
type roundTrips struct {
	mu    sync.Mutex
	lines map[string]time.Duration // of handshakes, smoothed
}

func (r *roundTrips) book(line string, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	have, known := r.lines[line]
	if !known {
		if r.lines == nil {
			r.lines = make(map[string]time.Duration)
		}
		have = took
	}
	r.lines[line] = have + (took-have)/8
}

// seen notes what the kernel has measured on a line where no handshake is made.
func (r *roundTrips) seen(line string, rtt time.Duration) {
	r.mu.Lock()
	_, known := r.lines[line]
	r.mu.Unlock()
	if !known {
		r.book(line, rtt)
	}
}

// of returns 0 while none is known. Until there is one of its own, what the line
// has shown elsewhere is taken, by probes or to another concentrator.
func (r *roundTrips) of(line uplink.WAN) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if d := r.lines[line.Name]; d > 0 {
		return d
	}
	return line.Delay
}

// roundTrip returns the time of a handshake over a line, 0 while none is known.
func (c *Converter) roundTrip(line uplink.WAN) time.Duration { return c.trips.of(line) }

// RoundTrip returns the time of a handshake over the line that is preferred now,
// 0 while none is known.
func (c *Converter) RoundTrip() time.Duration {
	_, line, err := c.addr(c.Mode)
	if err != nil {
		return 0
	}
	return c.roundTrip(line)
}

// shookHands books how long a handshake over a line took.
func (c *Converter) shookHands(line string, took time.Duration) {
	if c.Delay != nil {
		c.Delay(line, took)
	}
	c.trips.book(line, took)
}

const (
	// probeTime is what two round trips to the concentrator may take. With the
	// patience for an answer it stays below a second.
	probeTime = 500 * time.Millisecond
	// probeTimeUnknown is the same over a line of which no round trip is known.
	// With that patience, it is nearly a second.
	probeTimeUnknown = 650 * time.Millisecond
	// probeTimePatient is the same while nobody waits for the outcome: what has
	// become slow is found, too, and a SYN that got lost is sent again after a
	// second.
	probeTimePatient = 2500 * time.Millisecond
)

// probeTime is how long after a check began an exchange of two round trips over a
// line may be over that begins some time later.
func (c *Converter) probeTime(line uplink.WAN, later time.Duration) time.Duration {
	if rtt := c.roundTrip(line); rtt > 0 {
		return max(probeTime, later+6*rtt)
	}
	return probeTimeUnknown
}
