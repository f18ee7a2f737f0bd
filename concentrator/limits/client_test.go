package limits

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"tandem/shared/convert"
)

var t0 = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// testAdmission counts time from t0.
func testAdmission(connections, setups int) *Admission {
	a := NewAdmission(connections, setups)
	a.epoch = t0
	return a
}

// admit asks n times and returns how often the answer was yes.
func admit(c *Client, now time.Time, n int) (yes int, last Verdict) {
	for range n {
		v := c.Admit(now)
		if v.OK {
			yes++
			c.Connected()
		} else {
			last = v
		}
	}
	return yes, last
}

func TestConnections(t *testing.T) {
	a := testAdmission(1000, 1000)
	a.Apply(map[string]Limits{"home": {Connections: 3}}, t0)
	c := a.Client("home")
	yes, last := admit(c, t0, 5)
	if yes != 3 || last.Code != convert.ResourceExceeded || last.Wait != 2*time.Second {
		t.Fatalf("admitted %d of 5, last %+v", yes, last)
	}
	c.Release(true)
	if yes, _ := admit(c, t0, 2); yes != 1 {
		t.Errorf("admitted %d after one ended, want 1", yes)
	}
	if yes, _ := admit(a.Client("other"), t0, 100); yes != 100 {
		t.Errorf("the limit of one client binds another: %d of 100", yes)
	}
	a.Apply(map[string]Limits{"home": {Connections: 5}}, t0)
	if yes, _ := admit(c, t0, 5); yes != 2 {
		t.Errorf("admitted %d after the limit was raised from 3 to 5, want 2", yes)
	}
	a.Apply(nil, t0)
	if yes, _ := admit(c, t0, 50); yes != 50 {
		t.Errorf("admitted %d of 50 after the limit was lifted", yes)
	}
}

func TestNewPerSecond(t *testing.T) {
	a := testAdmission(1000, 1000)
	a.Apply(map[string]Limits{"home": {NewPerSecond: 10}}, t0)
	c := a.Client("home")
	yes, last := admit(c, t0, 30)
	if yes != 10 || last.Wait != time.Second {
		t.Fatalf("admitted %d of 30 at once, last %+v; want 10 and a wait of 1 s", yes, last)
	}
	if open, setups := c.Open(); open != 10 || setups != 0 {
		t.Errorf("refused ones count: %d open, %d in set-up", open, setups)
	}
	total := yes
	for ms := range 10_000 { // ten seconds at a hundred times the limit
		yes, _ := admit(c, t0.Add(time.Duration(ms)*time.Millisecond), 1)
		total += yes
		if yes == 1 {
			c.Release(true)
		}
	}
	if total < 109 || total > 110 {
		t.Errorf("admitted %d in 10 s, want 10 and 10 a second", total)
	}
	// One every five minutes is still possible after a long silence.
	if yes, _ := admit(c, t0.Add(1000*time.Hour), 11); yes != 10 {
		t.Errorf("admitted %d after a pause, want 10", yes)
	}
}

func TestMonthlyVolume(t *testing.T) {
	a := testAdmission(1000, 1000)
	a.Apply(map[string]Limits{"home": {MonthlyBytes: 1000, ResetDay: 25}}, t0)
	c := a.Client("home")
	c.Up().Reserve(400)
	c.Down().Reserve(599)
	if v := c.Admit(t0); !v.OK {
		t.Fatalf("refused at 999 of 1000 bytes: %+v", v)
	}
	c.Down().Reserve(1)
	if v := c.Admit(t0); v.OK || v.Wait != 255*time.Second {
		t.Fatalf("at 1000 of 1000 bytes: %+v, want the longest wait", v)
	}
	reset := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	if v := c.Admit(reset.Add(-3500 * time.Millisecond)); v.OK || v.Wait != 4*time.Second {
		t.Fatalf("3.5 s before the reset: %+v, want 4 s", v)
	}
	if v := c.Admit(reset); !v.OK {
		t.Fatalf("after the reset: %+v", v)
	}
	want := Volume{Start: reset, End: reset.AddDate(0, 1, 0)}
	if got := c.Volume(reset); got != want {
		t.Errorf("volume %+v, want %+v", got, want)
	}
}

// A clock set back forgives nothing, and one that was years ahead resets again.
func TestVolumeAndClock(t *testing.T) {
	a := testAdmission(1000, 1000)
	c := a.Client("home")
	c.Volume(t0)
	c.Up().Reserve(100)
	if v := c.Volume(t0.AddDate(-10, 0, 0)); v.Up != 100 {
		t.Errorf("clock set back: %+v", v)
	}
	if v := c.Volume(t0); v.Up != 0 {
		t.Errorf("ten years passed: %+v", v)
	}
	c.Up().Reserve(100)
	c.Volume(t0.AddDate(10, 0, 0)) // lost here, there is no telling
	c.Up().Reserve(50)
	v := c.Volume(t0)
	if want, _ := (Limits{}).Period(t0); v.Up != 50 || v.Start != want {
		t.Errorf("back from the future: %+v", v)
	}
	a.Apply(map[string]Limits{"home": {ResetDay: 20}}, t0)
	if v := c.Volume(t0); v.Up != 50 || v.Start.Day() != 20 {
		t.Errorf("reset day moved: %+v", v)
	}
}

func TestPeriod(t *testing.T) {
	for _, test := range []struct {
		day             int
		now, start, end string
	}{
		{0, "2026-11-24", "2026-11-01", "2026-12-01"},
		{1, "2026-12-31", "2026-12-01", "2027-01-01"},
		{15, "2026-01-14", "2025-12-15", "2026-01-15"},
		{15, "2026-01-15", "2026-01-15", "2026-02-15"},
		{31, "2026-02-15", "2026-01-31", "2026-02-28"},
		{31, "2026-02-28", "2026-02-28", "2026-03-31"},
		{30, "2028-02-29", "2028-02-29", "2028-03-30"},
		{31, "2026-05-01", "2026-04-30", "2026-05-31"},
		{31, "2026-12-31", "2026-12-31", "2027-01-31"},
	} {
		now, _ := time.Parse(time.DateOnly, test.now)
		start, end := Limits{ResetDay: test.day}.Period(now)
		if start.Format(time.DateOnly) != test.start || end.Format(time.DateOnly) != test.end {
			t.Errorf("day %d, %s: %s to %s, want %s to %s", test.day, test.now, start, end, test.start, test.end)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, l := range []Limits{{}, {Connections: 1, NewPerSecond: 1, Up: 8000, Down: 1e12, MonthlyBytes: 1, ResetDay: 31}} {
		if err := l.Check(); err != nil {
			t.Errorf("%+v: %v", l, err)
		}
	}
	for _, l := range []Limits{{Connections: -1}, {NewPerSecond: 1e9}, {Up: 1}, {Down: -5}, {MonthlyBytes: -1}, {ResetDay: 32}, {ResetDay: -1}} {
		if l.Check() == nil {
			t.Errorf("%+v: no error", l)
		}
	}
}

// One client takes all it can get; others come later and get in at once.
func TestGreedyIsRefusedFirst(t *testing.T) {
	const total = 9000
	a := testAdmission(total, total)
	hog := a.Client("hog")
	had, last := admit(hog, t0, 2*total)
	if had < total*8/9-1 || had > total*8/9+1 {
		t.Errorf("alone it got %d of %d, want 8/9", had, total)
	}
	if last.Code != convert.ResourceExceeded || last.Wait != 10*time.Second {
		t.Errorf("refused with %+v", last)
	}
	for i := range 100 {
		if yes, v := admit(a.Client(fmt.Sprint("home-", i)), t0, 9); yes != 9 {
			t.Fatalf("home-%d got %d of 9 beside the hog: %+v", i, yes, v)
		}
		if yes, _ := admit(hog, t0, 50); yes != 0 {
			t.Fatalf("the hog got %d more", yes)
		}
	}
	if n := a.connections.used.Load(); n > total {
		t.Errorf("%d of %d in use", n, total)
	}
	// As connections end and begin, the greedy come to equal shares.
	rival := a.Client("rival")
	r := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		for _, c := range []*Client{hog, rival} {
			if open, _ := c.Open(); open > 0 && r.IntN(2) == 0 {
				c.Release(true)
			}
			admit(c, t0, 1)
		}
	}
	h, _ := hog.Open()
	v, _ := rival.Open()
	if diff := h - v; diff < -200 || diff > 200 {
		t.Errorf("hog has %d, rival %d", h, v)
	}
}

// A client whose servers do not answer leaves set-ups to others.
func TestSetupsAreSharedToo(t *testing.T) {
	a := testAdmission(100_000, 90)
	hog := a.Client("hog")
	var yes int
	for range 1000 {
		if hog.Admit(t0).OK {
			yes++
		}
	}
	if yes < 79 || yes > 81 {
		t.Errorf("hog has %d of 90 set-ups, want 80", yes)
	}
	if v := a.Client("home").Admit(t0); !v.OK {
		t.Errorf("another client: %+v", v)
	}
	if open, setups := hog.Open(); open != yes || setups != yes {
		t.Errorf("%d open, %d in set-up, want %d", open, setups, yes)
	}
	hog.Release(false)
	if v := hog.Admit(t0); !v.OK {
		t.Errorf("after one failed: %+v", v)
	}
}

func TestSmallTotals(t *testing.T) {
	for total := range 9 {
		a := testAdmission(total, total)
		if yes, _ := admit(a.Client("home"), t0, 20); yes != total {
			t.Errorf("%d of %d for the only client", yes, total)
		}
	}
}

// Whatever happens at once, totals hold and everything comes back.
func TestConcurrent(t *testing.T) {
	const total = 200
	a := NewAdmission(total, total/2)
	a.Apply(map[string]Limits{"c0": {Connections: 7}, "c1": {NewPerSecond: 100}}, time.Now())
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			c := a.Client(fmt.Sprint("c", g%4))
			for i := range 3000 {
				v := c.Admit(time.Now())
				if open, _ := c.Open(); v.OK && g%4 == 0 && open > 7+8 { // 8: being refused just now
					t.Errorf("%d open", open)
				}
				if n := a.connections.used.Load(); n > total+8 {
					t.Errorf("%d in use", n)
				}
				c.Up().Reserve(10)
				if v.OK {
					if i%3 > 0 {
						c.Connected()
					}
					c.Release(i%3 > 0)
				}
				if i%500 == 0 {
					a.Apply(map[string]Limits{"c0": {Connections: 7, ResetDay: i%28 + 1}, "c1": {Up: 1e12}}, time.Now())
					a.Client(fmt.Sprint("new", g, i))
				}
			}
		}()
	}
	wg.Wait()
	for i := range 4 {
		c := a.Client(fmt.Sprint("c", i))
		if open, setups := c.Open(); open != 0 || setups != 0 {
			t.Errorf("c%d: %d open, %d in set-up", i, open, setups)
		}
		if v := c.Volume(time.Now()); v.Up != 2*3000*10 {
			t.Errorf("c%d: %d bytes", i, v.Up)
		}
	}
	if n, m := a.connections.used.Load(), a.setups.used.Load(); n != 0 || m != 0 {
		t.Errorf("%d connections and %d set-ups left", n, m)
	}
}
