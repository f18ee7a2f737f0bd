package uplink

import "time"

// delays are the round trips of lines, by name.
type delays struct {
	known   map[string]time.Duration
	applied map[string]time.Duration
	fastest string
}

// A line is the fastest only if it is clearly faster than the one that was:
// what changes its line with each breath is worse than either.
const (
	clearlyFaster = 0.85
	clearlyBy     = 3 * time.Millisecond
)

// book smooths a round trip in, and tells whether that is worth telling others.
func (d *delays) book(line string, rtt time.Duration) bool {
	if d.known == nil {
		d.known, d.applied = make(map[string]time.Duration), make(map[string]time.Duration)
	}
	have := d.known[line]
	if have == 0 {
		have = rtt
	}
	have += (rtt - have) / 4
	d.known[line] = have
	last := d.applied[line]
	return (have - last).Abs() > max(last/20, time.Millisecond)
}

// apply writes down what is known, and which line is the fastest of those up.
func (d *delays) apply(wans []WAN) {
	var was, best *WAN
	for i := range wans {
		w := &wans[i]
		w.Delay, w.Fastest = d.known[w.Name], false
		if w.Delay > 0 {
			d.applied[w.Name] = w.Delay
		}
		if !w.Up || w.Delay == 0 {
			continue
		}
		if w.Name == d.fastest {
			was = w
		}
		if best == nil || w.Delay < best.Delay {
			best = w
		}
	}
	if best == nil {
		return
	}
	if was != nil && (best.Delay > time.Duration(float64(was.Delay)*clearlyFaster) || was.Delay-best.Delay < clearlyBy) {
		best = was
	}
	best.Fastest, d.fastest = true, best.Name
}
