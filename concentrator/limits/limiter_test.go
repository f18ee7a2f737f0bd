package limits

import (
	"testing"
	"time"
)

func TestRate(t *testing.T) {
	for _, rate := range []int64{8_000, 1_000_000, 50_000_000, 10_000_000_000} {
		var l Limiter
		l.set(rate)
		// Three flows that read as much as they may and pause as they are told.
		at := make([]time.Duration, 3)
		const until = 20 * time.Second
		var bytes int64
		for {
			i := 0
			for j := range at {
				if at[j] < at[i] {
					i = j
				}
			}
			if at[i] >= until {
				break
			}
			n := l.Quantum(64 << 10)
			bytes += int64(n)
			at[i] += l.reserve(n, rate, int64(at[i])) + time.Microsecond
		}
		want := float64(rate) / 8 * until.Seconds()
		// What may be ahead: the credit, the nap, and one quantum of each flow.
		slack := float64(rate)/8*(credit+nap).Seconds() + 3*float64(l.Quantum(64<<10))
		if got := float64(bytes); got < want*0.999-slack || got > want*1.001+slack {
			t.Errorf("%d bit/s: %.0f bytes in %s, want %.0f ± %.0f", rate, got, until, want, slack)
		}
	}
}

func TestNoRate(t *testing.T) {
	var none *Limiter
	if none.Reserve(1<<20) != 0 || none.Quantum(100) != 100 || !none.Wait(nil, 1<<20) {
		t.Error("a nil limiter limits")
	}
	a := NewAdmission(1, 1)
	l := a.Client("home").Up()
	if l.Reserve(1<<40) != 0 || l.Quantum(100) != 100 {
		t.Error("a limiter without a rate limits")
	}
	if n := testing.AllocsPerRun(100, func() { l.Reserve(65536) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A raised limit is felt at once, and a huge or negative piece breaks nothing.
func TestRateChange(t *testing.T) {
	var l Limiter
	l.set(8_000)
	if d := l.reserve(100_000, 8_000, 0); d < 99*time.Second {
		t.Errorf("pause %s for 100 s worth", d)
	}
	l.set(1_000_000)
	if d := l.reserve(4096, 1_000_000, 0); d > 40*time.Millisecond {
		t.Errorf("old debts are paid at the new rate: %s", d)
	}
	l.set(8_000)
	if d := l.reserve(1<<40, 8_000, 0); d <= 0 {
		t.Errorf("pause %s", d)
	}
	l.set(9_000)
	if d := l.reserve(-5, 9_000, 0); d != 0 {
		t.Errorf("pause %s for nothing", d)
	}
}

func TestWaitStops(t *testing.T) {
	a := NewAdmission(1, 1)
	a.Apply(map[string]Limits{"home": {Down: 8000}}, time.Now())
	done := make(chan struct{})
	close(done)
	if a.Client("home").Down().Wait(done, 1<<20) {
		t.Error("waited 1,000 s")
	}
	if !a.Client("home").Up().Wait(done, 1<<20) {
		t.Error("no limit, but no go")
	}
}
