package e2e

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"tandem/lab/house"
	labnet "tandem/lab/net"
)

// TestNewConnectionsOverDeadLine opens connections while the first line
// swallows everything, before and after that is known: none may fail, go
// direct (where it would hang) or be late.
func TestNewConnectionsOverDeadLine(t *testing.T) {
	t.Parallel()
	h := build(t, sixty())
	ctx := within(t, time.Minute)
	if _, err := h.FirstByte(ctx, "", house.Server4); err != nil {
		t.Fatal(err)
	}
	if err := h.Link("dsl").SetBlackhole(true); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var worst time.Duration
	var wg sync.WaitGroup
	open := func() {
		wg.Add(1)
		go func() {
			defer wg.Done()
			took, err := h.FirstByte(ctx, "", house.Server4)
			mu.Lock()
			defer mu.Unlock()
			worst = max(worst, took)
			if err != nil {
				t.Error(err)
			}
		}()
	}
	opened := 0
	took := eventually(t, 10*time.Second, "the dead line is shown as down", func() bool {
		open()
		opened++
		l := askPaths(t, h).line(t, "dsl")
		time.Sleep(20 * time.Millisecond) // the rate of new connections
		return l.State == "down" && l.Reason != ""
	})
	wg.Wait()
	t.Logf("%d connections until it was known, after %v: worst %v", opened, took.Round(time.Millisecond), worst.Round(time.Millisecond))
	bar := 3 * time.Second
	if *long {
		bar = 1500 * time.Millisecond
	}
	if worst > bar {
		t.Errorf("worst connection before it was known took %v", worst)
	}
	var after []time.Duration
	for range 20 {
		worst = 0
		open()
		wg.Wait()
		after = append(after, worst)
	}
	slices.Sort(after)
	t.Logf("20 connections after it: median %v, worst %v", after[10].Round(time.Millisecond), after[19].Round(time.Millisecond))
	if after[10] > 300*time.Millisecond {
		t.Errorf("connections after it was known took %v, as if the dead line had been asked", after[10])
	}
	if got := status(t, h).Flows; got.Direct != 0 || got.Refused != 0 || int(got.Relayed) != opened+21 {
		t.Errorf("flows %+v, want all %d relayed", got, opened+21)
	}
}

// TestLineBack loses either line in either way under a download, and gives it
// back: the same flow uses it again within 2 s.
func TestLineBack(t *testing.T) {
	t.Parallel()
	h := build(t, sixty())
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	c, err := h.DialFrom(ctx, "", house.Server4, house.HTTPPort)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET /for/2m HTTP/1.1\r\nHost: lab\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, c) }()
	moves := func(line string) bool {
		_, before := askFlows(t, h).on(line)
		time.Sleep(100 * time.Millisecond)
		n, after := askFlows(t, h).on(line)
		return n == 1 && after > before
	}
	eventually(t, 10*time.Second, "both lines carry", func() bool { return moves("dsl") && moves("lte") })
	for _, line := range []string{"dsl", "lte"} {
		for name, lose := range map[string]func(*labnet.Link, bool) error{
			"carrier":   (*labnet.Link).SetDown,
			"blackhole": (*labnet.Link).SetBlackhole,
		} {
			if err := lose(h.Link(line), true); err != nil {
				t.Fatal(err)
			}
			eventually(t, 10*time.Second, line+" is down", func() bool { return askPaths(t, h).line(t, line).State == "down" })
			eventually(t, 10*time.Second, "its subflow is gone", func() bool { n, _ := askFlows(t, h).on(line); return n == 0 })
			if err := lose(h.Link(line), false); err != nil {
				t.Fatal(err)
			}
			took := eventually(t, 10*time.Second, "the flow is on "+line+" again", func() bool { return moves(line) })
			t.Logf("%s of %s: used again %v after its return", name, line, took.Round(time.Millisecond))
			if took > 4*time.Second {
				t.Errorf("%s of %s: used again after %v, want 2 s", name, line, took)
			}
		}
	}
	if f := askFlows(t, h); f.Total != 1 {
		t.Errorf("%d flows, want the one", f.Total)
	}
}

// TestAddressChanges gives each line another address, in turn, under 100 flows
// that keep talking: none breaks.
func TestAddressChanges(t *testing.T) {
	t.Parallel()
	h := build(t, sixty())
	ctx := within(t, 2*time.Minute)
	const live = 100
	flows := goesOn()
	flows.talk(t, h, live, 50*time.Millisecond)
	eventually(t, 20*time.Second, "all flows have both lines", func() bool {
		f := askFlows(t, h)
		a, _ := f.on("dsl")
		b, _ := f.on("lte")
		return f.Total == live && a == live && b == live
	})
	cpe := h.Host("cpe")
	for _, line := range []string{"dsl", "lte"} {
		old, _ := labnet.WANAddr(line)
		// The same network has no other address: another one of the far end's.
		fresh := map[string]string{"dsl": "198.51.100.6", "lte": "198.51.100.134"}[line]
		gateway := map[string]string{"dsl": "198.51.100.5", "lte": "198.51.100.133"}[line]
		run(t, ctx, h.Host("core"), "ip", "addr", "add", gateway+"/30", "dev", line+"0")
		n := map[string]string{"dsl": "1", "lte": "2"}[line]
		run(t, ctx, cpe, "sh", "-ec", fmt.Sprintf(`
			ip addr del %[1]s/30 dev %[2]s
			ip addr add %[3]s/30 dev %[2]s
			ip route replace default via %[4]s dev %[2]s metric %[5]s0
			ip route replace default via %[4]s dev %[2]s table 10%[5]s
			ip rule add from %[3]s lookup 10%[5]s priority 100%[5]s`, old.V4, line, fresh, gateway, n))
		took := eventually(t, 20*time.Second, "all flows are on "+line+" again", func() bool {
			n, _ := askFlows(t, h).on(line)
			return n == live
		})
		t.Logf("%s: all flows use the new address after %v", line, took.Round(time.Millisecond))
	}
	flows.end()
}
