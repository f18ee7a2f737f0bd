package health

import (
	"testing"
	"time"

	"tandem/cpe/uplink"
)

// play feeds a line with packets a tick, and returns how often it was due to be
// asked. An asked line answers.
func play(l *line, wan uplink.WAN, now *time.Time, packets *uint64, perTick uint64, ticks int, othersMove bool) (asked int) {
	for range ticks {
		*now = now.Add(busyTick)
		*packets += perTick
		l.see(*now, wan, uplink.Counters{DownPackets: *packets})
		others := time.Time{}
		if othersMove {
			others = *now
		}
		if l.due(*now, others, false) {
			asked++
			l.asked = *now
		}
	}
	return asked
}

func TestDue(t *testing.T) {
	now, packets := time.Unix(1e9, 0), uint64(1000)
	wan := uplink.WAN{Name: "dsl", Present: true, Up: true}
	l := new(line)
	othersMove := true
	step := func(what string, perTick uint64, d time.Duration, low, top int) {
		t.Helper()
		if got := play(l, wan, &now, &packets, perTick, int(d/busyTick), othersMove); got < low || got > top {
			t.Errorf("%s: asked %d times, want %d to %d", what, got, low, top)
		}
	}
	step("traffic", 10, 5*time.Second, 0, 0)
	step("a pause as between two round trips", 0, 100*time.Millisecond, 0, 0)
	step("traffic", 10, time.Second, 0, 0)
	othersMove = false
	step("all traffic ends, or the sender of a download is not heard any more", 0, time.Second, 1, 1)
	wan.Metered = true
	step("traffic", 10, time.Second, 0, 0)
	step("the same, on a metered line", 0, time.Second, 0, 0)
	wan.Metered = false
	step("traffic", 10, time.Second, 0, 0)
	othersMove = true
	step("silence, while others go on", 0, 300*time.Millisecond, 1, 1)
	step("it lasts", 0, 50*time.Second, 0, 0)
	step("idle for minutes", 0, 5*time.Minute, 4, 6)
	l.lost = true
	step("no line has answered", 0, 10*time.Second, 1, 2) // it is idle for minutes already
	l.moving = now
	step("… a moment ago", 0, 10*time.Second, 7, 10)
	l.lost = false
	step("single packets now and then are no stream", 1, 50*time.Millisecond, 0, 0)
	step("nor is their end news", 0, 10*time.Second, 0, 0)

	wan.Up = false
	step("dead", 0, 5*time.Second, 8, 11)
	step("dead for long", 0, 10*time.Minute, 1000, 1300)
	step("and for longer", 0, 10*time.Minute, 50, 70)
	wan.Up = true
	step("back", 10, time.Second, 0, 0)
	wan.Present = false
	step("no device", 0, time.Minute, 0, 0)
}

func TestPatience(t *testing.T) {
	for _, tt := range []struct{ own, elsewhere, low, top time.Duration }{
		{0, 0, time.Second, time.Second},
		{time.Millisecond, 0, 80 * time.Millisecond, 100 * time.Millisecond},
		{45 * time.Millisecond, 0, 100 * time.Millisecond, 150 * time.Millisecond},
		{600 * time.Millisecond, 0, time.Second, time.Second},
		{0, 45 * time.Millisecond, 100 * time.Millisecond, 150 * time.Millisecond},
		{0, 240 * time.Millisecond, 400 * time.Millisecond, 500 * time.Millisecond},
		{45 * time.Millisecond, 240 * time.Millisecond, 100 * time.Millisecond, 150 * time.Millisecond},
	} {
		l := new(line)
		if tt.own > 0 {
			l.answered(time.Time{}, tt.own)
		}
		if got := l.patience(tt.elsewhere); got < tt.low || got > tt.top {
			t.Errorf("round trip %v, elsewhere %v: patience %v, want %v to %v", tt.own, tt.elsewhere, got, tt.low, tt.top)
		}
	}
}
