package warm

import (
	"time"

	"tandem/shared/nocmp"
)

const (
	// burst is the time in which flows count as coming at once: about what it
	// takes to make as many connections again.
	burst = 2 * time.Second
	// halfLife is how fast a burst is forgotten. Who loads one page loads
	// another one within minutes.
	halfLife = 90 * time.Second
)

// demand follows how many flows come within a burst.
type demand struct {
	_     nocmp.Field
	since time.Time // begin of the present burst
	count int
	peak  float64
	at    time.Time // when peak was true
}

// arrive books a flow.
func (d *demand) arrive(now time.Time) {
	if now.Sub(d.since) > burst {
		d.since, d.count = now, 0
	}
	d.count++
	if n := float64(d.count); n >= d.remembered(now) {
		d.peak, d.at = n, now
	}
}

// remembered returns the largest burst, the less the longer ago it was.
func (d *demand) remembered(now time.Time) float64 {
	if d.peak == 0 {
		return 0
	}
	p := d.peak
	for age := now.Sub(d.at); age >= halfLife/8; age -= halfLife / 8 {
		p *= 0.917 // 2^(-1/8)
		if p < 0.5 {
			return 0
		}
	}
	return p
}

// want returns how many connections should be ready: the remembered burst and
// a quarter more, within the bounds.
func (d *demand) want(now time.Time, lowest, highest int) int {
	n := d.remembered(now)
	return min(max(int(n+n/4+0.5), lowest), highest)
}
