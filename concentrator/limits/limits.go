// Package limits bounds what one client may take, and shares what all have
// fairly.
//
// Reading order: limits.go (what can be set), client.go (a new connection:
// Admit, Connected, Release), fair.go (who is refused first when all are
// busy), bucket.go (new connections a second), limiter.go (bytes a second),
// volume.go (bytes a month), usage.go (the volume's file).
//
// Nothing on the path of a connection or a byte takes a lock: a client's state
// is a handful of atomic numbers, and so is what all clients share.
package limits

import (
	"errors"
	"fmt"
	"time"
)

// Limits of one client. Zero means no limit.
type Limits struct {
	Connections  int   `json:"connections,omitempty"`    // at a time
	NewPerSecond int   `json:"new_per_second,omitempty"` // new connections; so many at once, too
	Up           int64 `json:"up_bits_s,omitempty"`      // bits a second from the client
	Down         int64 `json:"down_bits_s,omitempty"`    // bits a second to the client
	MonthlyBytes int64 `json:"monthly_bytes,omitempty"`  // up and down together
	ResetDay     int   `json:"reset_day,omitempty"`      // day on which the month starts, UTC; 0 is 1; past a month's end its last day
}

// Bounds of what may be set.
const (
	maxConnections = 10_000_000
	maxPerSecond   = 1_000_000
	minRate        = 8_000             // 1 kB/s: below, nothing works
	maxRate        = 1_000_000_000_000 // 1 Tbit/s
	maxMonthly     = 1 << 60
)

// Check returns what is out of range, joined.
func (l Limits) Check() error {
	var errs []error
	between := func(what string, v, low, high int64) {
		if v != 0 && (v < low || v > high) {
			errs = append(errs, fmt.Errorf("%s: %d is out of range: %d to %d, or 0 for no limit", what, v, low, high))
		}
	}
	between("connections", int64(l.Connections), 1, maxConnections)
	between("new connections per second", int64(l.NewPerSecond), 1, maxPerSecond)
	between("rate up in bit/s", l.Up, minRate, maxRate)
	between("rate down in bit/s", l.Down, minRate, maxRate)
	between("monthly bytes", l.MonthlyBytes, 1, maxMonthly)
	if l.ResetDay < 0 || l.ResetDay > 31 {
		errs = append(errs, fmt.Errorf("reset day: %d is no day of a month: 1 to 31", l.ResetDay))
	}
	return errors.Join(errs...)
}

// Period returns the month that now is in, as it is counted: from the start of
// ResetDay to the start of the next one, in UTC.
func (l Limits) Period(now time.Time) (start, end time.Time) {
	now = now.UTC()
	start = l.resetIn(now.Year(), now.Month())
	if now.Before(start) {
		end = start
		return l.resetIn(now.Year(), now.Month()-1), end
	}
	return start, l.resetIn(now.Year(), now.Month()+1)
}

func (l Limits) resetIn(year int, month time.Month) time.Time {
	last := time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC) // day 0 is the last one before
	return time.Date(last.Year(), last.Month(), min(max(l.ResetDay, 1), last.Day()), 0, 0, 0, 0, time.UTC)
}
