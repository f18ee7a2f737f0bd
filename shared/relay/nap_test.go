package relay

import (
	"testing"
	"time"
)

// Only what streams is left to gather, and the faster it is the shorter.
func TestNap(t *testing.T) {
	const packet = 1400
	for _, test := range []struct {
		name        string
		every       time.Duration // a turn
		bytes, back int           // moved by each, and meanwhile the other way
		want        func(time.Duration) bool
	}{
		{"150 Mbit/s", 75 * time.Microsecond, packet, 0, func(d time.Duration) bool { return d == maxNap }},
		{"17 Mbit/s", 650 * time.Microsecond, packet, 0, func(d time.Duration) bool { return d == maxNap }},
		{"1 Gbit/s", 11 * time.Microsecond, packet, 0, func(d time.Duration) bool { return d >= 400*time.Microsecond && d < maxNap }},
		{"10 Gbit/s", 50 * time.Microsecond, enough, 0, func(d time.Duration) bool { return d == 0 }},
		{"4 Mbit/s", 2800 * time.Microsecond, packet, 0, func(d time.Duration) bool { return d == 0 }},
		{"key strokes", 100 * time.Microsecond, 1, 0, func(d time.Duration) bool { return d == 0 }},
		{"question and answer", 100 * time.Microsecond, 4 * packet, 1, func(d time.Duration) bool { return d == 0 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			var s stream
			at, back, got := int64(time.Hour), int64(0), time.Duration(0)
			for range 10_000 {
				at += int64(test.every)
				back += int64(test.back)
				got = s.nap(at, test.bytes, back)
			}
			if !test.want(got) {
				t.Errorf("nap of %s", got)
			}
			// Silence ends it at once.
			if got := s.nap(at+1, 0, back); got != 0 {
				t.Errorf("nap of %s after silence", got)
			}
			if got := s.nap(at+int64(time.Second), packet, back); got != 0 {
				t.Errorf("nap of %s at the first byte after a second", got)
			}
		})
	}
}
