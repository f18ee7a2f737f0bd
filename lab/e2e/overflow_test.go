package e2e

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-mptcp/tandem/lab/house"
	labnet "github.com/tandem-mptcp/tandem/lab/net"
	"github.com/tandem-mptcp/tandem/lab/servers"
)

const pacedPort = 8100

// paced serves downloads at a rate in bit/s that the test changes.
func paced(t *testing.T, h *house.House, rate *atomic.Int64) {
	t.Helper()
	l, err := h.Listen(house.Server4, pacedPort)
	if err != nil {
		t.Fatal(err)
	}
	go servers.Each(l, func(c *net.TCPConn) { pour(c, rate) })
}

// pour writes at the rate until that fails.
func pour(c net.Conn, rate *atomic.Int64) {
	const step = 5 * time.Millisecond
	chunk := make([]byte, 64<<10)
	owed, last := 0.0, time.Now()
	for {
		time.Sleep(step) // the pace
		now := time.Now()
		// What a busy machine made it miss is not made up for: that would be
		// another rate.
		owed = min(owed+float64(rate.Load())/8*now.Sub(last).Seconds(), max(16<<10, float64(rate.Load())/8*0.02))
		last = now
		for owed >= 1 {
			n, err := c.Write(chunk[:min(int(owed), len(chunk))])
			if err != nil {
				return
			}
			owed -= float64(n)
		}
	}
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

// TestOverflow: a metered line sees no packet while the preferred one has room,
// helps when that is full, and is left again.
func TestOverflow(t *testing.T) {
	t.Parallel()
	const dsl, lte = 10e6, 20e6
	o := inMode("overflow")
	o.Spec = labnet.Spec{WANs: []labnet.WAN{
		{Name: "dsl", Link: labnet.Symmetric(dsl, dsl/2, 15*time.Millisecond)},
		{Name: "lte", Link: labnet.Symmetric(lte, lte/2, 30*time.Millisecond)},
	}}
	// The rate is told, so that a machine that is busy for a moment does not look
	// like a line that is full.
	o.WANOptions["dsl"] = "\toption rate_down '10000'\n\toption rate_up '5000'\n"
	h := build(t, o)
	ready(t, h)
	below, around, flows := 10*time.Second, 12*time.Second, 20
	if *long {
		below, around, flows = time.Minute, time.Minute, 50
	}
	var rate atomic.Int64
	paced(t, h, &rate)
	rate.Store(0.6 * dsl)
	total := follow(t, dial(t, h, house.Server4, pacedPort))

	// Below the rate, with many short flows besides.
	ctx, cancel := context.WithTimeout(context.Background(), below)
	defer cancel()
	var wg sync.WaitGroup
	ticker := time.NewTicker(time.Second / time.Duration(flows))
	defer ticker.Stop()
	opened := 0
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-ticker.C:
			opened++
			wg.Add(1)
			go func() {
				defer wg.Done()
				if _, err := h.FirstByte(within(t, 30*time.Second), "", house.Server4); err != nil {
					t.Error(err)
				}
			}()
		}
	}
	wg.Wait()
	s, err := h.Link("lte").Stats()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("below the rate: %d short flows, %.1f Mbit/s; second line: %d SYNs, %d packets up, %d down", opened,
		float64(total())*8/below.Seconds()/1e6, s.Up.SYNs, s.Up.SentPackets, s.Down.SentPackets)
	if s.Up.SYNs != 0 || s.Up.TCPPayload != 0 || s.Down.TCPPayload != 0 {
		t.Errorf("the second line carried %d SYNs, %d and %d bytes", s.Up.SYNs, s.Up.TCPPayload, s.Down.TCPPayload)
	}

	// Above it.
	rate.Store(3 * (dsl + lte))
	type point struct {
		at    time.Time
		bytes int64
	}
	var last []point // of one second
	const sum = (dsl + lte) * 1380 / 1500
	took := eventually(t, 30*time.Second, "0.90 of the sum", func() bool {
		now := point{time.Now(), total()}
		last = append(last, now)
		for now.at.Sub(last[0].at) > time.Second {
			last = last[1:]
		}
		d := now.at.Sub(last[0].at)
		return d > 900*time.Millisecond && float64(now.bytes-last[0].bytes)*8/d.Seconds() > 0.90*sum
	})
	t.Logf("above the rate: 0.90 of the sum over one second after %v", took.Round(10*time.Millisecond))
	if use := askPaths(t, h).line(t, "lte").Use; use != "in use: dsl is full" {
		t.Errorf("status says %q", use)
	}

	// It falls.
	rate.Store(0.5 * dsl)
	fell := time.Now()
	eventually(t, 30*time.Second, "the second line is left", func() bool { n, _ := askFlows(t, h).on("lte"); return n == 0 })
	t.Logf("demand fell: no subflow on the second line after %v", time.Since(fell).Round(10*time.Millisecond))
	_, left := flowPackets(t, h, "lte")

	// Around it.
	const up, down = "lines are full", "lines have room"
	changes := h.CPE.Log.Count(up) + h.CPE.Log.Count(down)
	eventually(t, around+time.Second, "the time is over", func() bool {
		share := 0.95
		if int(time.Since(fell).Seconds())%2 == 0 {
			share = 1.05
		}
		rate.Store(int64(share * dsl * 1380 / 1500))
		return time.Since(fell) > around
	})
	changes = h.CPE.Log.Count(up) + h.CPE.Log.Count(down) - changes
	_, after := flowPackets(t, h, "lte")
	t.Logf("around the rate: %d changes in %v, %d bytes on the second line", changes, around, after-left)
	if changes > 1 {
		t.Errorf("the second line was taken and left %d times", changes)
	}
}
