package e2e

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"tandem/lab/house"
	labnet "tandem/lab/net"
)

// losses are ways to lose a line.
var losses = map[string]func(*labnet.Link, bool) error{
	"carrier":   (*labnet.Link).SetDown,
	"blackhole": (*labnet.Link).SetBlackhole,
}

// TestOnlySubflowDies takes the only line away that flows have a subflow on, in
// the moment when the other one comes back: all go on over that.
func TestOnlySubflowDies(t *testing.T) {
	for name, lose := range losses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := build(t, sixty())
			ready(t, h)
			if err := h.Link("lte").SetDown(true); err != nil {
				t.Fatal(err)
			}
			eventually(t, 10*time.Second, "the second line is down", func() bool { return !askPaths(t, h).line(t, "lte").Up })
			total := endless(t, h)
			const live = 20
			flows := goesOn()
			flows.talk(t, h, live, 50*time.Millisecond)
			eventually(t, 10*time.Second, "the download runs", func() bool { return total() > 2<<20 })
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			gap := longestGap(ctx, total)
			if err := h.Link("lte").SetDown(false); err != nil {
				t.Fatal(err)
			}
			if err := lose(h.Link("dsl"), true); err != nil {
				t.Fatal(err)
			}
			eventually(t, 20*time.Second, "all flows are on the other line", func() bool {
				n, _ := askFlows(t, h).on("lte")
				return n == live+1
			})
			before := total()
			eventually(t, 20*time.Second, "the download goes on", func() bool { return total() > before+1<<20 })
			flows.end()
			longest := gap()
			t.Logf("longest gap %v", longest.Round(time.Millisecond))
			if longest > 5*time.Second {
				t.Errorf("the download stood for %v", longest)
			}
		})
	}
}

// TestYoungFlowLosesItsLine takes the first line away when flows have said one
// word, and are about to get their second subflow: they go on.
func TestYoungFlowLosesItsLine(t *testing.T) {
	for name, lose := range losses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := build(t, sixty())
			ready(t, h)
			for _, after := range []time.Duration{0, 20 * time.Millisecond, 70 * time.Millisecond} {
				const live = 10
				conns := make([]net.Conn, live)
				var wg sync.WaitGroup
				for i := range conns {
					conns[i] = dial(t, h, house.Server4, house.EchoPort)
					wg.Add(1)
					go func() {
						defer wg.Done()
						if err := say(conns[i], "first\n"); err != nil {
							t.Errorf("lost %v after it was young: %v", after, err)
						}
					}()
				}
				wg.Wait()
				time.Sleep(after) // of its life
				if err := lose(h.Link("dsl"), true); err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				for i, c := range conns {
					wg.Add(1)
					go func() {
						defer wg.Done()
						if err := say(c, fmt.Sprintf("second of %d\n", i)); err != nil {
							t.Errorf("line lost %v after the first word: %v", after, err)
						}
					}()
				}
				wg.Wait()
				t.Logf("line lost %v after the first word: the second was answered after %v", after, time.Since(begin).Round(time.Millisecond))
				if err := lose(h.Link("dsl"), false); err != nil {
					t.Fatal(err)
				}
				eventually(t, 10*time.Second, "the line is up again", func() bool { return askPaths(t, h).line(t, "dsl").Up })
			}
		})
	}
}

// TestFailoverGap has the first line swallow packets under a download, alone and
// among flows that talk, while the second one is idle (45 ms): all go on over that,
// by the bar of -long, on a quiet machine, within 1 s.
func TestFailoverGap(t *testing.T) {
	lives := []int{1}
	if *long {
		lives = []int{1, 21, 200}
	}
	for _, live := range lives {
		t.Run(fmt.Sprintf("%d flows", live), func(t *testing.T) { failoverGap(t, live) })
	}
}

func failoverGap(t *testing.T, live int) {
	if !*long { // figures are of one run at a time
		t.Parallel()
	}
	line := labnet.Symmetric(50e6, 20e6, 22500*time.Microsecond)
	o := house.Options{Spec: labnet.Spec{WANs: []labnet.WAN{{Name: "dsl", Link: line}, {Name: "lte", Link: line}}}}
	o.CPE = "\toption mode 'failover'\n"
	h := build(t, o)
	ready(t, h)
	total := endless(t, h)
	flows := goesOn()
	flows.talk(t, h, live-1, time.Second)
	grows := func() {
		t.Helper()
		before := total()
		eventually(t, 20*time.Second, "the download goes on", func() bool { return total() > before+2<<20 })
	}
	grows()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	bar := 4 * time.Second
	if *long {
		bar = time.Second
	}
	for range 3 {
		gap := longestGap(ctx, total)
		if err := h.Link("dsl").SetBlackhole(true); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		eventually(t, 20*time.Second, "the line is known to be dead", func() bool { return askPaths(t, h).line(t, "dsl").State == "down" })
		known := time.Since(begin)
		eventually(t, 20*time.Second, "all flows are on the standby", func() bool { n, _ := askFlows(t, h).on("lte"); return n == live })
		moved := time.Since(begin)
		grows()
		longest := gap()
		t.Logf("longest gap %v; dead after %v, all on the standby after %v", longest.Round(time.Millisecond), known.Round(time.Millisecond), moved.Round(time.Millisecond))
		if longest > bar {
			t.Errorf("longest gap %v, want at most %v", longest, bar)
		}
		if err := h.Link("dsl").SetBlackhole(false); err != nil {
			t.Fatal(err)
		}
		eventually(t, 20*time.Second, "all are back, and have left the standby", func() bool {
			f := askFlows(t, h)
			first, _ := f.on("dsl")
			second, _ := f.on("lte")
			return first == live && second == 0
		})
		grows()
	}
	flows.end()
	if f := status(t, h).Flows; f.Direct != 0 || f.Refused != 0 {
		t.Errorf("flows %+v", f)
	}
}
