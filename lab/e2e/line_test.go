package e2e

import (
	"testing"
	"time"

	"tandem/lab/house"
	labnet "tandem/lab/net"
)

// TestLineLost takes either line away under a download: it goes on over the
// other, and new connections work meanwhile.
func TestLineLost(t *testing.T) {
	for _, line := range []string{"dsl", "lte"} {
		for name, lose := range map[string]func(*labnet.Link, bool) error{
			"carrier":   (*labnet.Link).SetDown,
			"blackhole": (*labnet.Link).SetBlackhole,
		} {
			t.Run(line+" "+name, func(t *testing.T) {
				t.Parallel()
				h := build(t, sixty())
				ctx := within(t, time.Minute)
				begin, lost, longest := time.Now(), false, time.Duration(0)
				last := begin
				_, err := h.DownRate(ctx, "", 6*time.Second, func(int64) {
					now := time.Now()
					if gap := now.Sub(last); lost && gap > longest {
						longest = gap
					}
					last = now
					if !lost && now.Sub(begin) > 2*time.Second {
						lost = true
						if err := lose(h.Link(line), true); err != nil {
							t.Error(err)
						}
					}
				})
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("longest silence after %s of %s was lost: %v", name, line, longest.Round(time.Millisecond))
				if longest == 0 || longest > 3*time.Second {
					t.Errorf("longest silence %v", longest)
				}
				if name == "carrier" {
					for range 3 {
						if took, err := h.FirstByte(ctx, "", house.Server4); err != nil || took > time.Second {
							t.Errorf("new connection without %s: %v, %v", line, took, err)
						}
					}
					if got := status(t, h).Flows; got.Direct != 0 {
						t.Errorf("flows %+v: the other line leads to the concentrator", got)
					}
				}
			})
		}
	}
}
