package e2e

import (
	"testing"
	"time"

	"tandem/lab/house"
	labnet "tandem/lab/net"
)

// TestUnevenLines: two lines together carry more than the better one of them,
// also where the other loses packets or has a delay many times as long, and in
// both directions. The router's kernel goes by loss where it is not told
// otherwise, as OpenWrt's does.
func TestUnevenLines(t *testing.T) {
	lossy := func(down, up int64) labnet.LinkConfig {
		l := labnet.Symmetric(down, up, 30*time.Millisecond)
		l.Down.Loss, l.Up.Loss = 0.02, 0.02
		return l
	}
	const near, far = 15 * time.Millisecond, 120 * time.Millisecond
	for _, tt := range []struct {
		name     string
		dsl, lte labnet.LinkConfig
		always   bool // in the short form of the test, too
	}{
		{"2 % lost on LTE", labnet.Symmetric(20e6, 10e6, near), lossy(20e6, 10e6), true},
		{"2 % lost on an LTE line that is much faster", labnet.Symmetric(20e6, 5e6, near), lossy(50e6, 20e6), false},
		{"2 % lost on an LTE line that is much slower", labnet.Symmetric(50e6, 20e6, near), lossy(10e6, 5e6), false},
		{"15 and 120 ms", labnet.Symmetric(20e6, 5e6, near), labnet.Symmetric(20e6, 10e6, far), true},
		{"120 and 15 ms", labnet.Symmetric(20e6, 5e6, far), labnet.Symmetric(20e6, 10e6, near), false},
		{"15 and 120 ms, the far one slow", labnet.Symmetric(50e6, 20e6, near), labnet.Symmetric(10e6, 5e6, far), false},
	} {
		if !tt.always && !*long {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			d := 10 * time.Second
			if !*long {
				t.Parallel()
				d = 5 * time.Second
			}
			h := build(t, house.Options{Spec: labnet.Spec{
				WANs:              []labnet.WAN{{Name: "dsl", Link: tt.dsl}, {Name: "lte", Link: tt.lte}},
				CongestionControl: map[string]string{"cpe": "reno"},
			}})
			ready(t, h)
			ctx := within(t, 5*time.Minute)
			for _, way := range []struct {
				name string
				rate rate
			}{{"down", h.DownRate}, {"up", h.UpRate}} {
				// over measures with some lines taken away.
				over := func(without ...string) float64 {
					t.Helper()
					for _, l := range h.Links() { // never without any
						if err := l.SetDown(false); err != nil {
							t.Fatal(err)
						}
					}
					onLines(t, h, 2)
					for _, name := range without {
						if err := h.Link(name).SetDown(true); err != nil {
							t.Fatal(err)
						}
						onLines(t, h, 1)
					}
					r, err := way.rate(ctx, "", d, nil)
					if err != nil {
						t.Fatal(err)
					}
					return r
				}
				both, dsl, lte := over(), over("lte"), over("dsl")
				better := max(dsl, lte)
				t.Logf("%s: DSL %.1f, LTE %.1f, both %.1f Mbit/s: %.2f of the better one, %.2f of the sum",
					way.name, dsl/1e6, lte/1e6, both/1e6, both/better, both/(dsl+lte))
				if both < better {
					t.Errorf("%s: both lines carry less than one of them", way.name)
				}
			}
		})
	}
}

// onLines waits until new connections have subflows over so many lines.
func onLines(t *testing.T, h *house.House, lines int) {
	t.Helper()
	eventually(t, 20*time.Second, "connections use all lines that are up", func() bool {
		c := dial(t, h, house.Server4, house.EchoPort)
		defer c.Close()
		if err := say(c, "a word\n"); err != nil {
			t.Logf("while a line goes: %v", err)
			return false
		}
		on := 0
		for end := time.Now().Add(time.Second); time.Now().Before(end) && on != lines; time.Sleep(20 * time.Millisecond) {
			on = 0
			for _, f := range askFlows(t, h).Flows {
				if f.Destination == "203.0.113.10:7" {
					for _, s := range f.Subflows {
						if s.State == "established" {
							on++
						}
					}
				}
			}
		}
		return on == lines
	})
}
