package warm

import (
	"testing"
	"time"
)

var start = time.Unix(1e9, 0)

func TestDemand(t *testing.T) {
	var d demand
	now := start
	want := func(what string, lowest, most int) {
		t.Helper()
		if got := d.want(now, 2, 64); got < lowest || got > most {
			t.Errorf("%s: want() = %d, want %d to %d", what, got, lowest, most)
		}
	}
	want("nobody yet", 2, 2)
	for range 41 { // a page: one, then forty
		d.arrive(now)
		now = now.Add(5 * time.Millisecond)
	}
	want("after a page", 51, 52)
	now = now.Add(halfLife)
	want("a while later", 24, 28)
	now = now.Add(2 * halfLife)
	want("later", 5, 8)
	now = now.Add(time.Hour)
	want("an hour later", 2, 2)
	for range 500 { // one every three seconds is no burst
		d.arrive(now)
		now = now.Add(3 * time.Second)
	}
	want("a steady trickle", 2, 2)
	for range 1000 {
		d.arrive(now)
	}
	want("a flood", 64, 64)
}

func TestPace(t *testing.T) {
	now := start
	p := newPace()
	at, ok := p.next(0)
	if !ok || at.After(now) {
		t.Errorf("the first one must wait: %v %v", at, ok)
	}
	p.last = now
	if at, ok := p.next(3); !ok || at != now.Add(gap) {
		t.Errorf("the next one: %v %v", at.Sub(now), ok)
	}
	if _, ok := p.next(atOnce); ok {
		t.Error("more than atOnce")
	}
	for i, pause := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		p.setback(now)
		p.setback(now.Add(time.Millisecond)) // of the same moment
		if at, _ := p.next(0); at != now.Add(pause*time.Second) {
			t.Errorf("setback %d: pause of %s, want %d s", i, at.Sub(now), pause)
		}
		now = now.Add(pause * time.Second)
	}
	p.proved(time.Second)
	p.setback(now)
	if at, _ := p.next(0); at != now.Add(pauseFirst) {
		t.Errorf("after a success the pause is %s", at.Sub(now))
	}
}

// TestPaceLearnsForgetfulness: something on the way forgets idle connections
// after 30 s; their life goes below that, and up again when it can.
// Flows that come after a lull are not disturbed by openings; those of a busy
// time wait for nothing.
func TestPaceRespite(t *testing.T) {
	now := time.Unix(1e9, 0)
	p := newPace()
	p.arrive(now)
	for _, after := range []time.Duration{0, 60 * time.Millisecond, 250 * time.Millisecond} {
		p.arrive(now.Add(after))
	}
	if at, ok := p.next(0); !ok || !at.Equal(now.Add(respite)) {
		t.Errorf("next at %v, %v, want after %s", at.Sub(now), ok, respite)
	}
	busy := now.Add(lull)
	p.last = busy
	p.arrive(busy)
	if at, ok := p.next(0); !ok || !at.Equal(busy.Add(gap)) {
		t.Errorf("amid flows: next at %v, %v, want after %s", at.Sub(busy), ok, gap)
	}
}

func TestPaceLearnsForgetfulness(t *testing.T) {
	p := newPace()
	p.stale(8 * time.Minute)
	if p.life != 4*time.Minute {
		t.Errorf("life %s, want 4m", p.life)
	}
	p.proved(time.Minute) // says nothing about longer idling
	if p.life != 4*time.Minute {
		t.Errorf("life %s, want 4m still", p.life)
	}
	p.proved(220 * time.Second)
	if p.life != 5*time.Minute {
		t.Errorf("life %s, want 5m", p.life)
	}
	p.stale(31 * time.Second)
	p.stale(time.Second)
	if p.life != lifeLeast {
		t.Errorf("life %s, want %s", p.life, lifeLeast)
	}
	for range 100 {
		p.proved(p.life)
	}
	if p.life != lifeMost {
		t.Errorf("life %s, want %s", p.life, lifeMost)
	}
}

func TestPaceShed(t *testing.T) {
	p, now := newPace(), start
	p.shed(now, 40, time.Minute)
	if got := p.allow(now, 50); got != 20 {
		t.Errorf("allowed %d, want half", got)
	}
	p.shed(now, 30, time.Minute) // another of the same moment
	if got := p.allow(now, 50); got != 15 {
		t.Errorf("allowed %d, want 15", got)
	}
	now = now.Add(61 * time.Second)
	if got := p.allow(now, 50); got != 50 {
		t.Errorf("allowed %d after the wait, want all", got)
	}
}
