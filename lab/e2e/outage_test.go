package e2e

import (
	"sync"
	"testing"
	"time"

	"tandem/lab/house"
	labnet "tandem/lab/net"
)

// TestOutageUnderFlows loses the first line under a download and 199 flows that
// keep talking, and gives it back: none breaks, and all use it again. With
// -long, on a quiet machine, the bars are in force: no longer silence of the
// download than 300 ms without a carrier, 1 s where packets are swallowed, and
// the line used again by all within 2 s.
func TestOutageUnderFlows(t *testing.T) {
	for _, tt := range []struct {
		name string
		lose func(*labnet.Link, bool) error
		bar  time.Duration
	}{
		{"carrier", (*labnet.Link).SetDown, 300 * time.Millisecond},
		{"blackhole", (*labnet.Link).SetBlackhole, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			// 45 ms there and back.
			h := build(t, house.Options{Spec: labnet.Spec{WANs: []labnet.WAN{
				{Name: "dsl", Link: labnet.Symmetric(50e6, 20e6, 22500*time.Microsecond)},
				{Name: "lte", Link: labnet.Symmetric(50e6, 20e6, 22500*time.Microsecond)},
			}}})
			const live = 200
			flows := goesOn()
			flows.talk(t, h, live-1, 200*time.Millisecond)
			both := func() bool {
				f := askFlows(t, h)
				a, _ := f.on("dsl")
				b, _ := f.on("lte")
				return a == live && b == live
			}
			var gap silence
			download := make(chan error, 1)
			go func() {
				_, err := h.DownRate(within(t, 2*time.Minute), "", time.Minute, func(int64) { gap.heard() })
				download <- err
			}()
			eventually(t, 30*time.Second, "all flows have both lines", both)
			gap.begin()
			if err := tt.lose(h.Link("dsl"), true); err != nil {
				t.Fatal(err)
			}
			eventually(t, 20*time.Second, "the line is left", func() bool {
				n, _ := askFlows(t, h).on("dsl")
				return n == 0
			})
			longest := gap.longest()
			if err := tt.lose(h.Link("dsl"), false); err != nil {
				t.Fatal(err)
			}
			back := eventually(t, 20*time.Second, "all flows have both lines again", both)
			t.Logf("longest silence %v, all on the line again after %v", longest.Round(time.Millisecond), back.Round(time.Millisecond))
			select {
			case err := <-download:
				t.Errorf("the download ended: %v", err)
			default:
			}
			flows.end()
			bar, backBar := 5*time.Second, 10*time.Second
			if *long {
				bar, backBar = tt.bar, 2*time.Second
			}
			if longest > bar {
				t.Errorf("longest silence %v, want at most %v", longest, bar)
			}
			if back > backBar {
				t.Errorf("used again by all after %v, want at most %v", back, backBar)
			}
		})
	}
}

// silence measures the longest time in which nothing was heard.
type silence struct {
	mu    sync.Mutex
	last  time.Time
	worst time.Duration
}

func (s *silence) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last, s.worst = time.Now(), 0
}

func (s *silence) heard() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); !s.last.IsZero() {
		s.worst, s.last = max(s.worst, now.Sub(s.last)), now
	}
}

func (s *silence) longest() time.Duration {
	s.heard()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.worst
}
