package e2e

import (
	"testing"
	"time"

	"tandem/lab/house"
)

// ready waits until the pool has what it wants.
func ready(t *testing.T, h *house.House) house.Warm {
	t.Helper()
	var w house.Warm
	eventually(t, 30*time.Second, "connections are ready", func() bool {
		s := status(t, h)
		if s.Concentrators[0].Warm == nil {
			return false
		}
		w = *s.Concentrators[0].Warm
		return w.Ready > 0 && w.Ready >= w.Wanted
	})
	return w
}

// TestWarmFirstByte: a request on a connection made in advance saves a round
// trip against a direct connection.
func TestWarmFirstByte(t *testing.T) {
	t.Parallel()
	h := build(t, sixty())
	ready(t, h)
	const n = 10
	var saved []time.Duration
	for range n {
		ready(t, h)
		direct, err := h.FirstByte(within(t, 10*time.Second), house.Direct4, house.Server4)
		if err != nil {
			t.Fatal(err)
		}
		warm, err := h.FirstByte(within(t, 10*time.Second), "", house.Server4)
		if err != nil {
			t.Fatal(err)
		}
		saved = append(saved, direct-warm)
		t.Logf("direct %s, warm %s", direct, warm)
	}
	s := status(t, h)
	if w := s.Concentrators[0].Warm; w.Hits != n || w.Misses != 0 {
		t.Errorf("pool %+v, want %d hits", w, n)
	}
	if s.Flows.MPTCP != n {
		t.Errorf("flows %+v, want %d by MPTCP", s.Flows, n)
	}
	_ = saved
}
