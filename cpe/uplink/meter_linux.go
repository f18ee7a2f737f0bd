package uplink

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"tandem/shared/nocmp"
)

// Counters are those of a device, as the kernel keeps them: all that passes,
// Tandem's or not.
type Counters struct {
	Up, Down               uint64 // bytes
	UpPackets, DownPackets uint64
}

// Rates are bits a second over the last second or so.
type Rates struct {
	_        nocmp.Field
	Up, Down float64
}

// Meter reads the devices' counters and makes rates of them.
type Meter struct {
	// Booked, if set, gets each counter that is read.
	Booked func(WAN, Counters)

	// sampling is held over a sample: an older counter that is booked after a
	// newer one looks like a device that was made anew.
	sampling sync.Mutex

	mu    sync.Mutex          // guards lines
	lines map[string]*metered // by the line's name
}

type metered struct {
	_        nocmp.Field
	index    int
	at       time.Time
	counters Counters
	rates    Rates
}

// Sample reads the counters of the lines that have a device. It tells whether
// the devices are not as the lines have it: an event about it is still to come.
func (m *Meter) Sample(wans []WAN) (changed bool) {
	m.sampling.Lock()
	defer m.sampling.Unlock()
	now := time.Now()
	for _, w := range wans {
		var c Counters
		carrier, ok := false, w.Index != 0
		if ok {
			c, carrier, ok = readCounters(w.Index)
		}
		if ok && m.Booked != nil {
			m.Booked(w, c)
		}
		changed = changed || w.Present && !carrier || w.NoCarrier && carrier
		m.mu.Lock()
		if m.lines == nil {
			m.lines = make(map[string]*metered)
		}
		last := m.lines[w.Name]
		switch {
		case !ok:
			if last != nil {
				last.rates = Rates{}
			}
		case last == nil || last.index != w.Index || c.Up < last.counters.Up || c.Down < last.counters.Down:
			m.lines[w.Name] = &metered{index: w.Index, at: now, counters: c}
		default:
			last.add(c, now)
		}
		m.mu.Unlock()
	}
	return changed
}

// add makes the rates follow with a time constant of a second, whatever the
// distance of the samples is.
func (l *metered) add(c Counters, now time.Time) {
	dt := now.Sub(l.at).Seconds()
	if dt <= 0 {
		return
	}
	weight := min(dt, 1)
	follow := func(rate *float64, bytes uint64) { *rate += (float64(bytes)*8/dt - *rate) * weight }
	follow(&l.rates.Up, c.Up-l.counters.Up)
	follow(&l.rates.Down, c.Down-l.counters.Down)
	l.counters, l.at = c, now
}

// Read returns the last sample of a line.
func (m *Meter) Read(name string) (Counters, Rates) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.lines[name]
	if l == nil {
		return Counters{}, Rates{}
	}
	return l.counters, l.rates
}

// readCounters also tells whether there is a carrier, which the kernel's events
// tell up to a second later (linkwatch).
func readCounters(index int) (c Counters, carrier, ok bool) {
	d, err := deviceAt(index)
	if err != nil {
		return Counters{}, false, false
	}
	return d.counters, hasCarrier(d.flags), true
}

// hasCarrier: IFF_RUNNING follows the carrier late where IFF_LOWER_UP is at once.
func hasCarrier(flags uint32) bool {
	const up = unix.IFF_UP | unix.IFF_LOWER_UP
	return flags&up == up
}
