package quota

import (
	"fmt"
	"time"
)

// date is a day as year*10000 + month*100 + day, in UTC; 0 is not known.
type date int

func dateOf(t time.Time) date {
	y, m, d := t.UTC().Date()
	return date(y*10000 + int(m)*100 + d)
}

// String gives "2026-12-01", or nothing for a date that is not known.
func (d date) String() string {
	if d == 0 {
		return ""
	}
	return fmt.Sprintf("%04d-%02d-%02d", d/10000, d/100%100, d%100)
}

// next is the first reset after now: the given day of a month, or its last day
// where the month is shorter.
func next(now time.Time, day int) date {
	y, m, _ := now.UTC().Date()
	for {
		last := time.Date(y, m+1, 0, 0, 0, 0, 0, time.UTC).Day()
		reset := dateOf(time.Date(y, m, min(day, last), 0, 0, 0, 0, time.UTC))
		if reset > dateOf(now) {
			return reset
		}
		m++
	}
}

// settle begins a new period when the last one is over. A clock that is not
// known to be right changes nothing: a router that boots in 1970 would give the
// quota back, or never do so again.
func (r *record) settle(now time.Time, sure bool, day int) (anew bool) {
	if !sure {
		return false
	}
	upcoming := next(now, day)
	switch {
	case r.Resets == 0, r.Day != day, r.Resets > upcoming:
		// The first time, a day that the user has changed, or a date that a
		// wrong clock had set: none of these is a reset.
	case dateOf(now) < r.Resets:
		return false
	default:
		r.Used, anew = 0, true
	}
	r.Resets, r.Day = upcoming, day
	return anew
}
