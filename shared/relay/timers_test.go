package relay

import (
	"math/rand/v2"
	"testing"
)

func TestTimers(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var timers timers
		pumps := make([]pump, 50)
		alive := 0
		for i := range pumps {
			timers.add(&pumps[i], rng.Int64N(20))
		}
		for i := range pumps {
			if rng.IntN(2) == 0 {
				timers.remove(&pumps[i])
				timers.remove(&pumps[i]) // not there: nothing happens
			} else {
				alive++
			}
		}
		last := int64(0)
		for now := int64(-1); now < 20; now++ {
			for p := timers.due(now); p != nil; p = timers.due(now) {
				if p.timer.at > now || p.timer.at < last {
					t.Fatalf("timer of %d at %d, after one of %d", p.timer.at, now, last)
				}
				last = p.timer.at
				alive--
			}
		}
		if alive != 0 || len(timers) != 0 {
			t.Fatalf("%d not due, %d left", alive, len(timers))
		}
	}
}
