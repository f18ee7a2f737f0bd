package e2e

import (
	"testing"
	"time"

	"tandem/lab/house"
)

// TestPathManagers does the same work with the kernel's path manager, with
// package steer making the same subflows, and in mode overflow: what it costs
// the second line and the router, and how soon a second subflow is there.
// docs/paths.md has the figures and what was chosen for them.
func TestPathManagers(t *testing.T) {
	if !*long {
		t.Parallel()
	}
	flows, talkers, d := 60, 20, 4*time.Second
	if *long {
		flows, talkers, d = 400, 100, 20*time.Second
	}
	for _, tt := range []struct {
		name, main, sections string
		shares               bool // flows have both lines
	}{
		{"kernel, mode bond", "\toption mode 'bond'\n", "", true},
		// A rule that no connection meets puts userspace in charge.
		{"userspace, mode bond", "\toption mode 'bond'\n", "config rule\n\toption action 'failover'\n\tlist port '9'\n", true},
		{"userspace, mode overflow", "\toption mode 'overflow'\n", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := sixty()
			o.CPE, o.CPESections = tt.main, tt.sections
			h := build(t, o)
			ready(t, h)

			before, cpu := lineCost(t, h), cpuTime(t, h.CPE.PID())
			for range flows {
				if _, err := h.FirstByte(within(t, 20*time.Second), "", house.Server4); err != nil {
					t.Fatal(err)
				}
			}
			cpu = cpuTime(t, h.CPE.PID()) - cpu
			after := lineCost(t, h)
			n := float64(flows)
			t.Logf("%d short flows: on the second line %.2f SYNs, %.1f packets and %.0f bytes each; %v of the router's processor each",
				flows, (after.syns-before.syns)/n, (after.packets-before.packets)/n, (after.bytes-before.bytes)/n,
				(cpu / time.Duration(flows)).Round(time.Microsecond))
			if used := after.packets > before.packets; used != tt.shares {
				t.Errorf("short flows use the second line: %v, want %v", used, tt.shares)
			}
			if tt.shares {
				t.Logf("second subflow after %v (median of 9)", median(secondSubflows(t, h, 9)).Round(time.Millisecond))
			}

			talk := goesOn()
			talk.talk(t, h, talkers, 50*time.Millisecond)
			cpu = cpuTime(t, h.CPE.PID())
			time.Sleep(d) // what is measured
			cpu = cpuTime(t, h.CPE.PID()) - cpu
			talk.end()
			t.Logf("%d flows that say a word every 50 ms: %.1f %% of a processor", talkers, 100*cpu.Seconds()/d.Seconds())
		})
	}
}

type cost struct{ syns, packets, bytes float64 }

// lineCost is what the second line has carried, both ways.
func lineCost(t *testing.T, h *house.House) cost {
	t.Helper()
	s, err := h.Link("lte").Stats()
	if err != nil {
		t.Fatal(err)
	}
	return cost{float64(s.Up.SYNs), float64(s.Up.SentPackets + s.Down.SentPackets), float64(s.Up.SentBytes + s.Down.SentBytes)}
}

// secondSubflows returns how long after its first answer each of n flows had a
// subflow over the second line.
func secondSubflows(t *testing.T, h *house.House, n int) (after []time.Duration) {
	t.Helper()
	for range n {
		c := dial(t, h, house.Server4, house.EchoPort)
		word(t, c)
		took := eventually(t, 10*time.Second, "a second subflow", func() bool {
			on := 0
			for _, f := range askFlows(t, h).Flows {
				if f.Destination == "203.0.113.10:7" {
					for _, s := range f.Subflows {
						if s.WAN == "lte" && s.State == "established" {
							on++
						}
					}
				}
			}
			return on > 0
		})
		after = append(after, took)
		c.Close()
		eventually(t, 10*time.Second, "it is gone", func() bool {
			for _, f := range askFlows(t, h).Flows {
				if f.Destination == "203.0.113.10:7" {
					return false
				}
			}
			return true
		})
	}
	return after
}
