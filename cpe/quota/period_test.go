package quota

import (
	"testing"
	"time"
)

func day(text string) time.Time {
	t, err := time.Parse("2006-01-02 15:04", text)
	if err != nil {
		panic(err)
	}
	return t
}

func TestNext(t *testing.T) {
	for _, tt := range []struct {
		now   string
		reset int
		want  string
	}{
		{"2026-11-24 12:00", 1, "2026-12-01"},
		{"2026-11-30 23:59", 1, "2026-12-01"},
		{"2026-12-01 00:00", 1, "2027-01-01"},
		{"2026-12-31 00:00", 31, "2027-01-31"},
		{"2027-01-31 00:00", 31, "2027-02-28"},
		{"2027-02-28 00:00", 31, "2027-03-31"},
		{"2028-02-01 00:00", 30, "2028-02-29"},
		{"2026-11-14 23:00", 15, "2026-11-15"},
		{"2026-11-15 00:00", 15, "2026-12-15"},
		{"1970-01-01 00:00", 1, "1970-02-01"},
	} {
		if got := next(day(tt.now), tt.reset).String(); got != tt.want {
			t.Errorf("after %s on day %d: %s, want %s", tt.now, tt.reset, got, tt.want)
		}
	}
}

func TestSettle(t *testing.T) {
	r := record{Used: 100}
	step := func(what, now string, sure bool, reset int, anew bool, resets string) {
		t.Helper()
		if got := r.settle(day(now), sure, reset); got != anew || r.Resets.String() != resets {
			t.Errorf("%s: anew %v, resets %s; want %v, %s", what, got, r.Resets, anew, resets)
		}
		if anew != (r.Used == 0) {
			t.Errorf("%s: used %d", what, r.Used)
		}
		r.Used = 100
	}
	step("booted without a clock", "1970-01-01 00:10", false, 1, false, "")
	step("the clock is right", "2026-11-24 12:00", true, 1, false, "2026-12-01")
	step("later", "2026-11-30 23:59", true, 1, false, "2026-12-01")
	step("booted without a clock", "1970-01-01 00:10", false, 1, false, "2026-12-01")
	step("a clock far ahead that nobody vouches for", "2040-01-01 00:00", false, 1, false, "2026-12-01")
	step("the day has come", "2026-12-01 00:00", true, 1, true, "2027-01-01")
	step("the same day", "2026-12-01 18:00", true, 1, false, "2027-01-01")
	step("off for three months", "2027-03-15 00:00", true, 1, true, "2027-04-01")
	step("the user names another day", "2027-03-15 00:01", true, 20, false, "2027-03-20")
	step("a clock set ahead by mistake", "2040-01-01 00:00", true, 20, true, "2040-01-20")
	step("and back", "2027-03-15 00:02", true, 20, false, "2027-03-20")
}
