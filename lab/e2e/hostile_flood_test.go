package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"tandem/lab/flood"
	"tandem/lab/house"
)

var long = flag.Bool("long", false, "attacks and loads of full length, and bars that hold on a quiet machine only (make test-hostile, test-modes)")

var httpRequest = []byte("GET / HTTP/1.1\r\nHost: 203.0.113.1\r\n\r\n")

// TestFlood makes garbage connections from 1,000 addresses as fast as this
// machine can, beside 50 open flows of the LAN host and new ones all the time:
// none of them fails or stands still, the garbage gets no byte, and the
// daemon's memory stays bounded.
func TestFlood(t *testing.T) {
	o, length := fast(), 6*time.Second
	if *long {
		length = 30 * time.Second
	} else {
		o.Tables = "[limits]\nfailures_per_minute = 5\n" // the default is reached in more time only
	}
	h := build(t, o)
	ctx := within(t, length+2*time.Minute)
	if err := flood.Open(ctx, h.Lab); err != nil {
		t.Fatal(err)
	}
	pid := h.Concentrator.PID()
	f := flood.Flood{Host: h.Host("net"), Sources: flood.Sources(1000), To: convertPort, Payload: httpRequest, Workers: 2}

	honest := startHonest(ctx, t, h, 50)
	idle, begin := processorTime(t, pid), time.Now()
	eventually(t, 10*time.Second, "honest flows alone, for comparison", func() bool { return time.Since(begin) > length/6 })
	share := float64(processorTime(t, pid)-idle) / float64(time.Since(begin))
	memory := resident(t, pid)

	// What one costs is measured in the second half, when each source is known.
	started := time.Now()
	first := concentratorStatus(t, h)
	r, err := f.Run(limited(t, ctx, length/2), 0)
	if err != nil {
		t.Fatal(err)
	}
	before, burn, half := concentratorStatus(t, h), processorTime(t, pid), time.Now()
	r2, err := f.Run(limited(t, ctx, length/2), 0)
	if err != nil {
		t.Fatal(err)
	}
	burnt := processorTime(t, pid) - burn - time.Duration(share*float64(time.Since(half)))
	after, grown := concentratorStatus(t, h), resident(t, pid)-memory
	gap, flows := honest.stop()
	away := after.TurnedAway - before.TurnedAway
	each := burnt / time.Duration(max(1, after.Accepted-before.Accepted))
	t.Logf("first half: %s", r)
	t.Logf("second half: %s", r2)
	t.Logf("concentrator: %d accepted, %d turned away unread; in the second half %d of %d, %.1f µs of its processor time for each; resident memory %d kB and %d kB more after the flood",
		after.Accepted-first.Accepted, after.TurnedAway-first.TurnedAway, away, after.Accepted-before.Accepted, float64(each)/1e3, memory, grown)
	t.Logf("honest: %d new flows, 50 open ones, longest silence of any %v", flows, gap.Round(time.Millisecond))

	if r.Bytes+r2.Bytes != 0 {
		t.Errorf("the attacker got %d bytes", r.Bytes+r2.Bytes)
	}
	if away == 0 {
		t.Error("none was turned away unread")
	}
	// Each of the 4,096 that may be pending takes a buffer, a stack and a
	// descriptor; the rest is what the runtime holds on to.
	if grown > 100<<10 {
		t.Errorf("resident memory grew by %d kB", grown)
	}
	limit := 5 * time.Second
	if *long {
		limit = time.Second
		if bar := 15 * time.Microsecond; each > bar {
			t.Errorf("a connection turned away took %v, at most %v are wanted", each, bar)
		}
	}
	if gap > limit {
		t.Errorf("an honest flow stood still for %v", gap)
	}
	if got := status(t, h).Flows; got.Direct != 0 || got.MPTCP != got.Relayed {
		t.Errorf("flows %+v: want all relayed by MPTCP", got)
	}
	if n := h.Concentrator.Log.Count("turning connections away"); n == 0 || n > int(time.Since(started).Seconds())+2 {
		t.Errorf("%d lines about it in %v", n, time.Since(started))
	}
}

// TestGarbageThenIdle makes 10,000 garbage connections, with the front switched
// off, so that each is read: they leave no goroutine, no descriptor and no
// memory.
func TestGarbageThenIdle(t *testing.T) {
	o := fast()
	o.Tables = "[limits]\nfailures_per_minute = 0\nrequest_timeout = \"500ms\"\n"
	h := build(t, o)
	ctx := within(t, 3*time.Minute)
	if err := flood.Open(ctx, h.Lab); err != nil {
		t.Fatal(err)
	}
	if _, err := h.FirstByte(ctx, "", house.Server4); err != nil { // what the first flow opens stays open
		t.Fatal(err)
	}
	ready(t, h) // what it took is there again
	pid := h.Concentrator.PID()
	state := func() (goroutines, fds, kB int) {
		s := concentratorStatus(t, h)
		return s.Goroutines, descriptors(t, pid), resident(t, pid)
	}
	g0, f0, m0 := state()
	payloads := [][]byte{httpRequest, {0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3}, {1, 0xff, 0x22, 0x63, 0xc8}, make([]byte, 3000), nil}
	for _, p := range payloads {
		r, err := flood.Flood{Host: h.Host("net"), Sources: flood.Sources(1000), To: convertPort, Payload: p, InAir: 500, Patience: 20 * time.Second}.Run(ctx, 2000)
		if err != nil || r.Connected+r.Failed != 2000 || r.GivenUp != 0 || r.Bytes != 0 {
			t.Errorf("%x…: %s, %v", p[:min(4, len(p))], r, err)
		}
	}
	g1, f1, m1 := state()
	// What a working daemon has more than one that has just begun is small.
	const room = 6 << 10
	var g, f, kB int
	defer func() {
		if t.Failed() {
			t.Logf("at first %d goroutines, %d descriptors, %d kB; at last %d, %d, %d", g0, f0, m0, g, f, kB)
		}
	}()
	took := eventually(t, time.Minute, "all is back at the baseline", func() bool {
		g, f, kB = state()
		return concentratorStatus(t, h).Pending == 0 && g <= g0+2 && f <= f0 && kB <= m0+room
	})
	g2, f2, m2 := state()
	t.Logf("at first %d goroutines, %d descriptors, %d kB; after 10,000: %d, %d, %d; %v later: %d, %d, %d",
		g0, f0, m0, g1, f1, m1, took.Round(time.Second), g2, f2, m2)
}

// TestSlowSenders holds 5,000 connections that send a byte a second from 1,000
// addresses: a new flow takes no more than twice as long as without them, and
// each of them is closed, none later than its deadline.
func TestSlowSenders(t *testing.T) {
	o := sixty()
	const deadline = 10 * time.Second
	o.Tables = "[limits]\nrequest_timeout = \"10s\"\n"
	h := build(t, o)
	ctx := within(t, 3*time.Minute)
	if err := flood.Open(ctx, h.Lab); err != nil {
		t.Fatal(err)
	}
	pid := h.Concentrator.PID()
	setup := func(n int) time.Duration {
		var all []time.Duration
		for range n {
			took, err := h.FirstByte(ctx, "", house.Server4)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, took)
		}
		return median(all)
	}
	setup(3)
	before, fds := setup(15), descriptors(t, pid)

	opened := make(chan struct{})
	ended := make(chan struct{})
	var r flood.SlowResult
	var err error
	go func() {
		defer close(ended)
		r, err = flood.Slow{Host: h.Host("net"), Sources: flood.Sources(1000), To: convertPort,
			Payload: append([]byte{1, 255, 0x22, 0x63}, make([]byte, 1016)...), Every: time.Second,
			Opened: func() { close(opened) }}.Run(ctx, 5000)
	}()
	select {
	case <-opened:
	case <-ended:
		t.Fatalf("ended before all were open: %+v, %v", r, err)
	}
	during := setup(15)
	pending := concentratorStatus(t, h).Pending
	<-ended
	after := setup(15)
	t.Logf("first byte, median of 15: %v before, %v beside 5,000 slow senders (%d pending then), %v after", before, during, pending, after)
	t.Logf("slow: %+v", r)
	if err != nil || r.Closed != 5000 || r.Bytes != 0 {
		t.Errorf("of 5,000 slow senders %d were closed, they got %d bytes; %v", r.Closed, r.Bytes, err)
	}
	if r.Last > deadline+5*time.Second {
		t.Errorf("one was closed after %v, its deadline is %v", r.Last, deadline)
	}
	if quiet := max(before, after); during > 2*quiet {
		t.Errorf("first byte after %v beside slow senders, %v without", during, quiet)
	}
	const warm = 64 // the CPE may have made more connections in advance meanwhile
	eventually(t, 20*time.Second, "all descriptors are back", func() bool {
		return concentratorStatus(t, h).Pending == 0 && descriptors(t, pid) <= fds+warm
	})
	if got := status(t, h).Flows; got.Direct != 0 {
		t.Errorf("flows %+v: none may go direct", got)
	}
}

func limited(t *testing.T, ctx context.Context, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(ctx, d)
	t.Cleanup(cancel)
	return ctx
}

// honest are flows of the LAN host that go on all the time.
type honest struct {
	quit chan struct{}
	wg   sync.WaitGroup
	mu   sync.Mutex
	gap  time.Duration
	made int
}

// startHonest opens n streams that keep talking, and makes new connections
// beside them. Each error fails the test.
func startHonest(ctx context.Context, t *testing.T, h *house.House, n int) *honest {
	t.Helper()
	o := &honest{quit: make(chan struct{})}
	going := func() bool {
		select {
		case <-o.quit:
			return false
		case <-ctx.Done():
			return false
		default:
			return true
		}
	}
	for i := range n {
		c := dial(t, h, house.Server4, house.EchoPort)
		o.wg.Add(1)
		go func() {
			defer o.wg.Done()
			pace := time.NewTicker(200 * time.Millisecond)
			defer pace.Stop()
			for last := time.Now(); going(); <-pace.C {
				if err := say(c, fmt.Sprintf("stream %d\n", i)); err != nil {
					t.Errorf("honest stream %d: %v", i, err)
					return
				}
				o.mu.Lock()
				o.gap = max(o.gap, time.Since(last))
				o.mu.Unlock()
				last = time.Now()
			}
		}()
	}
	o.wg.Add(1)
	go func() {
		defer o.wg.Done()
		pace := time.NewTicker(50 * time.Millisecond)
		defer pace.Stop()
		for ; going(); <-pace.C {
			if err := oneByte(ctx, h); err != nil {
				t.Errorf("new honest flow: %v", err)
			}
			o.mu.Lock()
			o.made++
			o.mu.Unlock()
		}
	}()
	return o
}

// stop ends them and tells the longest silence of a stream, and how many
// connections were made.
func (o *honest) stop() (gap time.Duration, made int) {
	close(o.quit)
	o.wg.Wait()
	return o.gap, o.made
}

func concentratorStatus(t *testing.T, h *house.House) house.ConcentratorStatus {
	t.Helper()
	s, err := h.ConcentratorStatus()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// processorTime is what a process has used, its system calls included.
func processorTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+2:]))
	var user, system int64
	_, err1 := fmt.Sscan(fields[11], &user)
	_, err2 := fmt.Sscan(fields[12], &system)
	if err1 != nil || err2 != nil {
		t.Fatalf("/proc/%d/stat: %q", pid, text)
	}
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100
}

// resident is a process's memory in kB.
func resident(t *testing.T, pid int) (kB int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "VmRSS:")
	if _, err := fmt.Sscan(after, &kB); err != nil {
		t.Fatal(err)
	}
	return kB
}
