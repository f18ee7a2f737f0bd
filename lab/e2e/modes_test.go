package e2e

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tandem/lab/house"
	labnet "tandem/lab/net"
)

// inMode is a house with a round trip of 60 ms on both lines, of which the
// second is paid for by volume.
func inMode(mode string) house.Options {
	o := sixty()
	o.CPE = "\toption mode '" + mode + "'\n"
	o.WANOptions = map[string]string{"lte": "\toption metered '1'\n"}
	return o
}

// flowPackets are packets beyond a bare handshake, which is what probes are: begun
// connections and bytes of them.
func flowPackets(t *testing.T, h *house.House, line string) (syns, bytes uint64) {
	t.Helper()
	s, err := h.Link(line).Stats()
	if err != nil {
		t.Fatal(err)
	}
	return s.Up.CapableSYNs + s.Up.JoinSYNs, s.Up.TCPPayload + s.Down.TCPPayload
}

// downloads runs n downloads of size bytes, a few at a time.
func downloads(t *testing.T, h *house.House, n int, size int64) {
	t.Helper()
	ctx := within(t, time.Minute)
	var wg sync.WaitGroup
	room := make(chan struct{}, 8)
	for range n {
		room <- struct{}{}
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := h.Download(ctx, "", house.Server4, size); err != nil {
				t.Error(err)
			}
			<-room
		}()
	}
	wg.Wait()
}

// endless begins a download that runs until the end of the test, and returns
// what it has carried so far.
func endless(t *testing.T, h *house.House) func() int64 {
	t.Helper()
	c, err := h.DialFrom(within(t, 10*time.Second), "", house.Server4, house.HTTPPort)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "GET /for/5m HTTP/1.1\r\nHost: lab\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	return follow(t, c)
}

// follow reads from c until the end of the test and returns what came so far.
func follow(t *testing.T, c net.Conn) func() int64 {
	t.Helper()
	t.Cleanup(func() { c.Close() })
	var total atomic.Int64
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := c.Read(buf)
			total.Add(int64(n))
			if err != nil {
				return
			}
		}
	}()
	return total.Load
}

// TestFailoverMode: the standby carries nothing while the preferred line works.
// When that is lost live flows go on over the standby, and when it returns they
// come back and leave the standby.
func TestFailoverMode(t *testing.T) {
	t.Parallel()
	h := build(t, inMode("failover"))
	ready(t, h)
	downloads(t, h, 40, 200_000)
	total := endless(t, h)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	flows := goesOn()
	flows.talk(t, h, 20, 50*time.Millisecond)
	eventually(t, 10*time.Second, "the download runs", func() bool { return total() > 4<<20 })
	if syns, bytes := flowPackets(t, h, "lte"); syns != 0 || bytes != 0 {
		t.Errorf("the standby carried %d connections and %d bytes", syns, bytes)
	}
	if s := askPaths(t, h); s.Mode != "failover" || s.line(t, "lte").Use != "standby: used when dsl is down" {
		t.Errorf("status says %q, %q", s.Mode, s.line(t, "lte").Use)
	}
	for name, lose := range map[string]func(*labnet.Link, bool) error{
		"carrier":   (*labnet.Link).SetDown,
		"blackhole": (*labnet.Link).SetBlackhole,
	} {
		gap := longestGap(ctx, total)
		if err := lose(h.Link("dsl"), true); err != nil {
			t.Fatal(err)
		}
		eventually(t, 20*time.Second, "all flows are on the standby", func() bool {
			f := askFlows(t, h)
			on, _ := f.on("lte")
			return f.Total == 21 && on == 21
		})
		before := total()
		eventually(t, 20*time.Second, "the download goes on", func() bool { return total() > before+2<<20 })
		t.Logf("%s: longest gap %v", name, gap().Round(time.Millisecond))
		if err := lose(h.Link("dsl"), false); err != nil {
			t.Fatal(err)
		}
		eventually(t, 30*time.Second, "all flows are on the preferred line and no other", func() bool {
			f := askFlows(t, h)
			on, _ := f.on("dsl")
			off, _ := f.on("lte")
			return f.Total == 21 && on == 21 && off == 0
		})
	}
	_, before := flowPackets(t, h, "lte")
	downloads(t, h, 10, 200_000)
	if _, after := flowPackets(t, h, "lte"); after != before {
		t.Errorf("the standby carried %d bytes after the return", after-before)
	}
	flows.end()
	if f := status(t, h).Flows; f.Direct != 0 || f.Refused != 0 {
		t.Errorf("flows %+v", f)
	}
}

// longestGap watches a growing number until it is asked for the longest time in
// which it did not grow.
func longestGap(ctx context.Context, total func() int64) func() time.Duration {
	ctx, cancel := context.WithCancel(ctx)
	result := make(chan time.Duration, 1)
	go func() {
		var longest time.Duration
		last, at := total(), time.Now()
		for ctx.Err() == nil {
			if now := total(); now != last {
				longest = max(longest, time.Since(at))
				last, at = now, time.Now()
			}
			time.Sleep(2 * time.Millisecond) // between looks
		}
		result <- longest
	}()
	return func() time.Duration { cancel(); return <-result }
}
