package steer

import (
	"testing"
	"time"

	"tandem/cpe/uplink"
	"tandem/shared/mptcp"
)

const tick = 100 * time.Millisecond

// road is two lines under a demand: what the first cannot carry waits, or goes
// over the second where that is allowed.
type road struct {
	now      time.Time
	dsl, lte load
	spill    spill
	wans     [2]uplink.WAN
	count    [2]uplink.Counters
	changes  int
}

const dslRate = 20e6 // bit/s

// drive lets a demand in bit/s come for d, and returns how many lines were
// taken or left. share is what the second line gets of it while it is used.
func (r *road) drive(d time.Duration, demand, share float64) (changes int) {
	for end := r.now.Add(d); r.now.Before(end); {
		r.now = r.now.Add(tick)
		first := demand
		if r.spill.more > 0 {
			first = demand * (1 - share)
			r.count[1].Down += uint64(demand * share / 8 * tick.Seconds())
		}
		s := mptcp.Subflow{RTT: 30 * time.Millisecond, MinRTT: 30 * time.Millisecond, ReceiveRTT: 33 * time.Millisecond}
		if first > dslRate {
			first, s.ReceiveRTT = dslRate, 75*time.Millisecond
		}
		r.count[0].Down += uint64(first / 8 * tick.Seconds())
		for i, l := range []*load{&r.dsl, &r.lte} {
			l.count(r.now, r.wans[i], r.count[i])
		}
		r.dsl.sample(s, 0, uint64(first/8*tick.Seconds()), 0, false)
		r.dsl.judge(r.now, tick)
		r.lte.judge(r.now, tick)
		if r.spill.step(r.now, tick, []*load{&r.dsl, &r.lte}) {
			changes++
		}
	}
	return changes
}

func TestOverflow(t *testing.T) {
	for name, told := range map[string]float64{"rate told": dslRate, "rate learnt": 0} {
		t.Run(name, func(t *testing.T) {
			r := &road{now: time.Unix(1e9, 0)}
			r.wans[0] = uplink.WAN{Name: "dsl", RateDown: told}
			if n := r.drive(60*time.Second, 0.9*dslRate, 0); n != 0 || r.spill.more != 0 {
				t.Errorf("demand below the rate: %d changes, %d more", n, r.spill.more)
			}
			if n := r.drive(2*time.Second, 3*dslRate, 0.7); n != 1 || r.spill.more != 1 {
				t.Errorf("demand above: %d changes, %d more", n, r.spill.more)
			}
			if n := r.drive(60*time.Second, 3*dslRate, 0.7); n != 0 {
				t.Errorf("it lasts: %d changes", n)
			}
			if n := r.drive(4*time.Second, 0.3*dslRate, 0.5); n != 1 || r.spill.more != 0 {
				t.Errorf("demand falls: %d changes, %d more", n, r.spill.more)
			}
			for range 60 {
				r.changes += r.drive(time.Second/2, 0.95*dslRate, 0.5)
				r.changes += r.drive(time.Second/2, 1.05*dslRate, 0.5)
			}
			if r.changes > 1 {
				t.Errorf("around the rate: %d changes in 60 s", r.changes)
			}
		})
	}
}

// A burst that fills the line for a moment is no reason.
func TestOverflowBurst(t *testing.T) {
	r := &road{now: time.Unix(1e9, 0)}
	for range 30 {
		if n := r.drive(300*time.Millisecond, 2*dslRate, 0.5) + r.drive(700*time.Millisecond, 0.3*dslRate, 0.5); n != 0 {
			t.Fatal("a line was added for a burst")
		}
	}
}

// A demand that comes and goes makes the second line stay for longer.
func TestOverflowComesAndGoes(t *testing.T) {
	r := &road{now: time.Unix(1e9, 0)}
	r.wans[0].RateDown = dslRate
	above := func() { r.drive(2*time.Second, 2*dslRate, 0.5) }
	above()
	if r.drive(2500*time.Millisecond, 0.4*dslRate, 0.5); r.spill.more != 0 {
		t.Fatal("the second line is not left in 2.5 s")
	}
	above()
	if r.drive(2500*time.Millisecond, 0.4*dslRate, 0.5); r.spill.more != 1 {
		t.Error("the second line is left as soon as the last time")
	}
	if r.drive(2*time.Second, 0.4*dslRate, 0.5); r.spill.more != 0 {
		t.Error("the second line is not left in 4.5 s")
	}
	r.drive(time.Minute, 0.4*dslRate, 0.5)
	above()
	if r.drive(2500*time.Millisecond, 0.4*dslRate, 0.5); r.spill.more != 0 {
		t.Error("a minute later the second line is not left in 2.5 s")
	}
}

// A machine or a network that was busy for a moment delivers late and all at
// once: the line is not as fast as that.
func TestOverflowLateBurst(t *testing.T) {
	r := &road{now: time.Unix(1e9, 0)}
	r.drive(10*time.Second, 1.05*dslRate, 0.5)
	if r.spill.more != 1 {
		t.Fatal("the second line is not used")
	}
	for range 10 {
		r.count[0].Down += uint64(0.3 * dslRate / 8)
		if n := r.drive(4*time.Second, 0.95*dslRate, 0.05); n != 0 {
			t.Fatalf("the second line is left after a late burst: learnt %.1f Mbit/s", r.dsl.down.learnt/1e6)
		}
	}
}
