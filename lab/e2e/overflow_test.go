package e2e

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tandem/lab/house"
	labnet "tandem/lab/net"
	"tandem/lab/servers"
)

const (
	pacedPort = 8100 // sends at the rate of a load
	sinkPort  = 8101 // takes what comes
)

// load is what LAN hosts want in one direction: bit/s that may change.
type load struct {
	h     *house.House
	up    bool
	asked atomic.Int64 // bytes that were sent
	total atomic.Int64 // bytes that have arrived
}

// newLoad starts the servers of a load.
func newLoad(t *testing.T, h *house.House, up bool) *load {
	t.Helper()
	l := &load{h: h, up: up}
	if up {
		sink, err := h.Listen(house.Server4, sinkPort)
		if err != nil {
			t.Fatal(err)
		}
		go servers.Each(sink, l.take)
	}
	return l
}

// begin opens a connection that carries what rate wants until the test is over.
func (l *load) begin(t *testing.T, port int, rate *atomic.Int64) {
	t.Helper()
	if l.up {
		port = sinkPort
	} else {
		server, err := l.h.Listen(house.Server4, port)
		if err != nil {
			t.Fatal(err)
		}
		go servers.Each(server, func(c *net.TCPConn) { pour(c, rate, &l.asked) })
	}
	c := dial(t, l.h, house.Server4, port)
	_ = c.SetDeadline(time.Time{}) // dial's is too near for the long form
	if l.up {
		go pour(c, rate, &l.asked)
	} else {
		go l.take(c)
	}
}

func (l *load) take(c *net.TCPConn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := c.Read(buf)
		l.total.Add(int64(n))
		if err != nil {
			return
		}
	}
}

// pour writes at the rate until that fails, and counts what it wrote.
func pour(c net.Conn, rate, total *atomic.Int64) {
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
			total.Add(int64(n))
		}
	}
}

// TestOverflow: a metered line sees no packet while the preferred one has room,
// helps when that is full, and is left again.
func TestOverflow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		up, told bool
		always   bool // in the short form of the test, too
	}{
		{"down, rate told", false, true, true},
		{"down, rate learnt", false, false, false},
		{"up, rate told", true, true, false},
		{"up, rate learnt", true, false, true},
	} {
		if !tt.always && !*long {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			if !*long {
				t.Parallel()
			}
			overflow(t, tt.up, tt.told)
		})
	}
}

func overflow(t *testing.T, up, told bool) {
	dsl, lte := int64(10e6), int64(20e6)
	o := inMode("overflow")
	o.Spec = labnet.Spec{WANs: []labnet.WAN{
		{Name: "dsl", Link: labnet.Symmetric(dsl, dsl/2, 15*time.Millisecond)},
		{Name: "lte", Link: labnet.Symmetric(lte, lte/2, 30*time.Millisecond)},
	}}
	if told {
		o.WANOptions["dsl"] = "\toption rate_down '10000'\n\toption rate_up '5000'\n"
	}
	if up {
		dsl, lte = dsl/2, lte/2
	}
	h := build(t, o)
	ready(t, h)
	below, around, flows := 10*time.Second, 12*time.Second, 20
	// The bars are for a machine that does nothing else.
	helps, drained := 6*time.Second, 10*time.Second
	if *long {
		below, around, flows = time.Minute, time.Minute, 50
		helps, drained = 3*time.Second, 5*time.Second
	}
	l := newLoad(t, h, up)
	var rate, more atomic.Int64
	rate.Store(dsl * 6 / 10)
	l.begin(t, pacedPort, &rate)

	// Below the rate, with many short flows besides.
	opened := shortFlows(t, h, below, flows)
	s, err := h.Link("lte").Stats()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("below the rate: %d short flows, %.1f Mbit/s; second line: %d SYNs, %d packets up, %d down", opened,
		float64(l.total.Load())*8/below.Seconds()/1e6, s.Up.SYNs, s.Up.SentPackets, s.Down.SentPackets)
	if s.Up.SYNs != 0 || s.Up.TCPPayload != 0 || s.Down.TCPPayload != 0 {
		t.Errorf("the second line carried %d SYNs, %d and %d bytes", s.Up.SYNs, s.Up.TCPPayload, s.Down.TCPPayload)
	}

	// Above it: somebody begins a transfer that takes all there is.
	more.Store(3 * (dsl + lte))
	l.begin(t, pacedPort+10, &more)
	sum := float64(dsl+lte) * 1380 / 1500
	took := eventually(t, 30*time.Second, "0.90 of the sum", overASecond(l, 0.90*sum))
	t.Logf("above the rate: 0.90 of the sum over one second after %v", took.Round(10*time.Millisecond))
	if took > helps {
		t.Errorf("0.90 of the sum only after %v, want %v", took, helps)
	}
	if use := askPaths(t, h).line(t, "lte").Use; use != "in use: dsl is full" {
		t.Errorf("status says %q", use)
	}

	// It falls: that transfer is over, which it is when its last byte has come.
	rate.Store(dsl / 2)
	more.Store(0)
	behind := dsl / 2 / 8 / 4 // a quarter of a second
	under := eventually(t, 30*time.Second, "all has come that was under way", func() bool {
		return l.asked.Load()-l.total.Load() < behind
	})
	fell := time.Now()
	took = eventually(t, 30*time.Second, "the second line is left", func() bool { n, _ := askFlows(t, h).on("lte"); return n == 0 })
	t.Logf("demand fell: all had come after %v, no subflow on the second line %v later", under.Round(10*time.Millisecond), took.Round(10*time.Millisecond))
	if took > drained {
		t.Errorf("the second line was left only after %v, want %v", took, drained)
	}
	_, left := flowPackets(t, h, "lte")

	// Around it.
	const taken, roomy = "lines are full", "lines have room"
	changes := h.CPE.Log.Count(taken) + h.CPE.Log.Count(roomy)
	eventually(t, around+time.Minute, "the time is over", func() bool {
		share := int64(95)
		if int(time.Since(fell).Seconds())%2 == 0 {
			share = 105
		}
		rate.Store(share * dsl / 100 * 1380 / 1500)
		return time.Since(fell) > took+around
	})
	changes = h.CPE.Log.Count(taken) + h.CPE.Log.Count(roomy) - changes
	_, after := flowPackets(t, h, "lte")
	t.Logf("around the rate: %d changes in %v, %d bytes on the second line", changes, around, after-left)
	if changes > 1 {
		t.Errorf("the second line was taken and left %d times", changes)
	}
}

// shortFlows opens so many connections a second for d, one answer each.
func shortFlows(t *testing.T, h *house.House, d time.Duration, perSecond int) (opened int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	var wg sync.WaitGroup
	ticker := time.NewTicker(time.Second / time.Duration(perSecond))
	defer ticker.Stop()
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
	return opened
}

// overASecond tells, each time it is asked, whether a load has carried more
// than rate in bit/s over the last second.
func overASecond(l *load, rate float64) func() bool {
	type point struct {
		at    time.Time
		bytes int64
	}
	var last []point
	return func() bool {
		now := point{time.Now(), l.total.Load()}
		last = append(last, now)
		for now.at.Sub(last[0].at) > time.Second {
			last = last[1:]
		}
		d := now.at.Sub(last[0].at)
		return d > 900*time.Millisecond && float64(now.bytes-last[0].bytes)*8/d.Seconds() > rate
	}
}
