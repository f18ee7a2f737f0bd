package e2e

import (
	"bufio"
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tandem/lab/house"
	"tandem/lab/servers"
)

const oncePort = 9000

// fire sends requests with an identity each, one connection for each, until
// told to stop. The server counts those that reach it twice.
type fire struct {
	t       *testing.T
	h       *house.House
	server  servers.Once
	next    atomic.Int64
	failed  atomic.Int64
	slowest atomic.Int64
}

func openFire(t *testing.T, h *house.House) *fire {
	t.Helper()
	f := &fire{t: t, h: h}
	l, err := h.Listen(house.Server4, oncePort)
	if err != nil {
		t.Fatal(err)
	}
	go servers.Each(l, f.server.Serve)
	return f
}

// request makes one flow.
func (f *fire) request(ctx context.Context) error {
	id := f.next.Add(1)
	begin := time.Now()
	c, err := f.h.DialFrom(ctx, "", house.Server4, oncePort)
	if err != nil {
		return fmt.Errorf("request %d: connect: %w", id, err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := fmt.Fprintf(c, "request %d\n", id); err != nil {
		return fmt.Errorf("request %d: %w", id, err)
	}
	answer, err := bufio.NewReader(c).ReadString('\n')
	if want := fmt.Sprintf("ok request %d", id); err != nil || strings.TrimSpace(answer) != want {
		return fmt.Errorf("request %d: answer %q, %v after %s", id, answer, err, time.Since(begin))
	}
	f.slowest.Store(max(f.slowest.Load(), int64(time.Since(begin))))
	return nil
}

// during keeps workers busy while what goes on.
func (f *fire) during(workers int, what func()) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	requests := goesOn()
	requests.again(workers, func() bool {
		err := f.request(ctx)
		if err != nil {
			f.failed.Add(1)
			f.t.Error(err)
		}
		return err == nil
	})
	what()
	requests.end()
}

// burst makes n flows at once.
func (f *fire) burst(n int) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	for range n {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := f.request(ctx); err != nil {
				f.failed.Add(1)
				f.t.Error(err)
			}
		}()
	}
	wg.Wait()
}

// judge: every request was answered and reached the server once.
func (f *fire) judge() {
	f.t.Helper()
	made := f.next.Load()
	different, again := f.server.Requests()
	f.t.Logf("%d requests: %d failed, %d reached the server twice, slowest %s", made, f.failed.Load(), again, time.Duration(f.slowest.Load()).Round(time.Millisecond))
	if again != 0 {
		f.t.Errorf("%d requests reached the server twice", again)
	}
	if int64(different) != made-f.failed.Load() {
		f.t.Errorf("%d requests were made, %d failed, the server saw %d", made, f.failed.Load(), different)
	}
	s, err := f.h.Status()
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Logf("pool %+v, flows %+v", *s.Concentrators[0].Warm, s.Flows)
}

// TestPoolUnderFire: whatever happens to connections made in advance, no
// request is lost and none is carried out twice.
func TestPoolUnderFire(t *testing.T) {
	t.Run("concentrator restarts", func(t *testing.T) {
		t.Parallel()
		h := build(t, sixty())
		f := openFire(t, h)
		ready(t, h)
		f.during(16, func() {
			for range 3 {
				before := f.next.Load()
				eventually(t, 20*time.Second, "flows go on", func() bool { return f.next.Load() > before+100 })
				if err := h.Concentrator.Stop(10 * time.Second); err != nil {
					t.Error(err)
				}
				before = f.next.Load()
				eventually(t, 20*time.Second, "flows go on without it", func() bool { return f.next.Load() > before+50 })
				if err := h.StartConcentrator(within(t, 20*time.Second)); err != nil {
					t.Error(err)
				}
			}
			eventually(t, 20*time.Second, "the concentrator is used again", func() bool { return status(t, h).Concentrators[0].Warm.Ready > 0 })
		})
		f.judge()
	})
	t.Run("line flaps", func(t *testing.T) {
		t.Parallel()
		h := build(t, sixty())
		f := openFire(t, h)
		ready(t, h)
		f.during(4, func() {
			for range 4 {
				for _, down := range []bool{true, false} {
					before := f.next.Load()
					eventually(t, 20*time.Second, "flows go on", func() bool { return f.next.Load() > before+30 })
					if err := h.Link("dsl").SetDown(down); err != nil {
						t.Error(err)
					}
				}
			}
		})
		f.judge()
	})
	t.Run("translators forget", func(t *testing.T) {
		t.Parallel()
		h := build(t, sixty())
		f := openFire(t, h)
		forgetful(t, h, 3*time.Second)
		ready(t, h)
		for range 3 {
			f.burst(20)
			// Idle, until what lies ready is forgotten on the way.
			time.Sleep(5 * time.Second)
		}
		f.burst(20)
		if w := status(t, h).Concentrators[0].Warm; w.Stale == 0 || w.LifeS > 60 {
			t.Errorf("pool %+v: want it to have learnt how soon connections are forgotten", w)
		}
		f.judge()
	})
}

// TestFireTogether has it all at once, and looks at what is left of it: lines
// that flap, a concentrator that restarts, translators that forget. With -long
// 10,000 requests (make test-fire).
func TestFireTogether(t *testing.T) {
	t.Parallel()
	goal, piece := int64(400), int64(30)
	if *long {
		goal, piece = 10000, 300
	}
	h := build(t, sixty())
	f := openFire(t, h)
	forgetful(t, h, 3*time.Second)
	ready(t, h)
	f.burst(50)
	ready(t, h)
	before := footprint(t, h)
	more := func(what string) {
		t.Helper()
		from := f.next.Load()
		eventually(t, time.Minute, "flows go on "+what, func() bool { return f.next.Load() > from+piece || t.Failed() })
	}
	for f.next.Load() < goal && !t.Failed() {
		f.during(16, func() {
			for _, line := range []string{"dsl", "lte"} {
				for _, down := range []bool{true, false} {
					if err := h.Link(line).SetDown(down); err != nil {
						t.Error(err)
					}
					more(line + " flaps")
				}
			}
			if err := h.Concentrator.Stop(10 * time.Second); err != nil {
				t.Error(err)
			}
			more("without the concentrator")
			if err := h.StartConcentrator(within(t, 20*time.Second)); err != nil {
				t.Error(err)
			}
			more("with the concentrator")
		})
		eventually(t, 20*time.Second, "the concentrator is used again", func() bool { return status(t, h).Concentrators[0].Warm.Ready > 0 })
		time.Sleep(4 * time.Second) // idle, until what lies ready is forgotten
		f.burst(20)
	}
	f.judge()
	var after map[string]footprints
	defer func() { t.Logf("before %+v, after %+v", before, after) }()
	eventually(t, 30*time.Second, "nothing is left of it", func() bool {
		after = footprint(t, h)
		for name, b := range before {
			// A heap keeps what it had at its largest for a while.
			if a := after[name]; a.files > b.files+2 || a.goroutines > b.goroutines+2 || a.kB > b.kB+24<<10 {
				return false
			}
		}
		return true
	})
}

// footprints is what a daemon has: open files without those of parked
// connections, goroutines, and memory.
type footprints struct{ files, goroutines, kB int }

func footprint(t *testing.T, h *house.House) map[string]footprints {
	t.Helper()
	s := status(t, h)
	c, err := h.ConcentratorStatus()
	if err != nil {
		t.Fatal(err)
	}
	cpe, concentrator := h.CPE.PID(), h.Concentrator.PID()
	return map[string]footprints{
		"cpe":          {descriptors(t, cpe) - s.Concentrators[0].Warm.Ready, s.Goroutines, resident(t, cpe)},
		"concentrator": {descriptors(t, concentrator) - c.Parked.Now, c.Goroutines, resident(t, concentrator)},
	}
}

// forgetful makes both lines drop, without a word, the packets of connections
// that were idle for so long, as address translators do.
func forgetful(t *testing.T, h *house.House, after time.Duration) {
	t.Helper()
	core := h.Host("core")
	ctx := within(t, 10*time.Second)
	run(t, ctx, core, "nft", `table inet forget {
		chain in {
			type filter hook prerouting priority filter;
			iifname { "dsl0", "lte0" } meta l4proto tcp ct state invalid drop
		}
		chain out {
			type filter hook output priority filter;
			oifname { "dsl0", "lte0" } meta l4proto tcp ct state invalid drop
		}
	}`)
	run(t, ctx, core, "sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_loose=0",
		fmt.Sprintf("net.netfilter.nf_conntrack_tcp_timeout_established=%d", int(after.Seconds())))
}
