package steer

import "time"

// spill says how many lines beyond the preferred one are in use because that
// is full, and changes its mind slowly.
type spill struct {
	more   int
	roomy  time.Duration // for so long
	wait   time.Duration // for how long it has to be
	change time.Time
}

const (
	// fullFor is how long lines must have been full before another one helps:
	// longer than the start of a download takes to find their rate.
	fullFor = 600 * time.Millisecond
	// roomyFor is how long what all carry must have had room on one line less
	// before that one is left, and roomyMost the same where it was needed again
	// within soon the last time.
	roomyFor  = 1200 * time.Millisecond
	roomyMost = 3 * time.Second
	soon      = 10 * time.Second
	// roomyShare is the share of what the lines can carry below which they have
	// room. Far enough from full for a load that varies around that.
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
	switch {
	case full && s.more+1 < len(lines):
		if now.Sub(s.change) < soon {
			s.wait = min(2*s.wait, roomyMost)
		} else {
			s.wait = roomyFor
		}
		s.more++
	case s.more > 0 && fits(lines[:s.more+1], s.more):
		if s.roomy += dt; s.roomy >= s.wait {
			s.more--
		}
	default:
		s.roomy = 0
	}
	if s.more == before {
		return false
	}
	s.change, s.roomy = now, 0
	for _, l := range lines {
		l.begin()
	}
	return true
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
