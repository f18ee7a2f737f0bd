package e2e

import (
	"net"
	"testing"
	"time"

	"tandem/lab/house"
	labnet "tandem/lab/net"
)

// TestLowestDelayMode: flows begin on the line with less delay, and on the
// other one when the delays have swapped; a flow that lives on stays where it
// is, and has the other line as a backup.
func TestLowestDelayMode(t *testing.T) {
	t.Parallel()
	const short, long = 15 * time.Millisecond, 90 * time.Millisecond
	o := house.Options{
		CPE: "\toption mode 'lowest-delay'\n",
		Spec: labnet.Spec{WANs: []labnet.WAN{
			{Name: "dsl", Link: labnet.Symmetric(50e6, 20e6, long)},
			{Name: "lte", Link: labnet.Symmetric(50e6, 20e6, short)},
		}},
	}
	h := build(t, o)
	ready(t, h)
	// begun opens n connections, one after the other, and returns how many of
	// them began on a line.
	begun := func(n int) (on map[string]int, took []time.Duration) {
		t.Helper()
		on = map[string]int{}
		known := map[uint64]bool{}
		for _, f := range askFlows(t, h).Flows {
			known[f.ID] = true
		}
		for range n {
			begin := time.Now()
			c := dial(t, h, house.Server4, house.EchoPort)
			word(t, c)
			took = append(took, time.Since(begin))
			defer c.Close()
		}
		// The answer may be there a moment before the flow is listed.
		eventually(t, 5*time.Second, "the flows are listed", func() bool {
			clear(on)
			seen := 0
			for _, f := range askFlows(t, h).Flows {
				if len(f.Subflows) > 0 && !known[f.ID] {
					on[f.Subflows[0].WAN]++
					seen++
				}
			}
			return seen == n
		})
		return on, took
	}
	// A busy machine can make one round of them look otherwise.
	var on map[string]int
	var times []time.Duration
	// Delays are known by the first handshake over each line.
	fastest := func(line string) func() bool {
		return func() bool {
			return askPaths(t, h).line(t, line).Use == "in use: new flows begin here, it is the fastest"
		}
	}
	took := eventually(t, 20*time.Second, "the line with less delay is preferred", fastest("lte"))
	t.Logf("preferred after %v", took.Round(10*time.Millisecond))
	eventually(t, 20*time.Second, "all flows begin on it", func() bool {
		on, times = begun(8)
		return on["lte"] == 8
	})
	t.Logf("8 flows began on %v, first answer after %v", on, median(times).Round(time.Millisecond))
	if m := median(times); m > 2*long {
		t.Errorf("first answer after %v: a round trip of the faster line has %v", m, 2*short)
	}

	// A flow lives on while the delays swap.
	lives := dial(t, h, house.Server4, house.EchoPort)
	word(t, lives)
	for line, delay := range map[string]time.Duration{"dsl": short, "lte": long} {
		if err := h.Link(line).Change(func(c *labnet.LinkConfig) { c.Down.Delay, c.Up.Delay = delay, delay }); err != nil {
			t.Fatal(err)
		}
	}
	took = eventually(t, 30*time.Second, "the other line is preferred", fastest("dsl"))
	t.Logf("followed %v after the delays had swapped", took.Round(10*time.Millisecond))
	eventually(t, 20*time.Second, "all flows begin on it", func() bool {
		on, times = begun(8)
		return on["dsl"] == 8
	})
	t.Logf("8 flows began on %v, first answer after %v", on, median(times).Round(time.Millisecond))
	word(t, lives)

	// It goes on over the other line when its own is lost.
	if err := h.Link("lte").SetDown(true); err != nil {
		t.Fatal(err)
	}
	word(t, lives)
}

func word(t *testing.T, c net.Conn) {
	t.Helper()
	if err := say(c, "a word\n"); err != nil {
		t.Fatal(err)
	}
}
