package steer

import "time"

// spill says how many lines beyond the preferred one are in use because that
// is full, and changes its mind slowly.
type spill struct {
	more   int
	full   time.Duration // for so long, with forgetting
	roomy  time.Duration
	change time.Time
}

const (
	// fullFor is how long lines must have been full before another one helps:
	// longer than the start of a download takes to find their rate.
	fullFor = 600 * time.Millisecond
	// roomyFor is how long what all carry must have had room on one line less
	// before that one is left.
	roomyFor = 1500 * time.Millisecond
	// roomy is the share of what the lines can carry below which they have room.
	// Far enough from full for a load that varies around that.
	roomyShare = 0.75
)

// step looks at the lines in order of preference, dt after the last time, and
// says whether something has changed.
func (s *spill) step(now time.Time, dt time.Duration, lines []*load) (changed bool) {
	before := s.more
	s.more = min(s.more, max(0, len(lines)-1))
	full := len(lines) > 0
	for _, l := range lines[:min(len(lines), s.more+1)] {
		full = full && l.full()
	}
	if full {
		s.full = min(s.full+dt, fullFor)
	} else {
		s.full = max(0, s.full-dt)
	}
	if s.full >= fullFor && s.more+1 < len(lines) {
		s.more++
		s.full, s.roomy = 0, 0
	}
	if s.more > 0 && fits(lines[:s.more+1], s.more) {
		if s.roomy += dt; s.roomy >= roomyFor {
			s.more--
			s.full, s.roomy = 0, 0
		}
	} else {
		s.roomy = 0
	}
	if s.more != before {
		s.change = now
	}
	return s.more != before
}

// fits tells whether what all lines carry would leave the first n of them with
// room.
func fits(lines []*load, n int) bool {
	ways := [2]func(*load) *direction{
		func(l *load) *direction { return &l.down },
		func(l *load) *direction { return &l.up },
	}
	for _, way := range ways {
		var carried, can float64
		for i, l := range lines {
			d := way(l)
			carried += d.rate
			if i < n {
				can += d.capacity()
			}
		}
		if can > 0 && carried > roomyShare*can {
			return false
		}
	}
	return true
}
