package bindlog

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"
)

var here = netip.MustParseAddr("192.0.2.1")

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func at(port uint16) netip.AddrPort { return netip.AddrPortFrom(here, port) }

func TestQuarantine(t *testing.T) {
	c := newClock()
	p := NewPorts(Range{Low: 40000, High: 40009, Reserved: []Range{{Low: 40003, High: 40004}}}, c.now)
	const port = 40001
	claim := func(client string, want bool) {
		t.Helper()
		if got := p.Claim(client, at(port)); got != want {
			t.Errorf("%s claims: %v, want %v", client, got, want)
		}
	}
	claim("a", true)
	claim("a", true) // to another server
	claim("b", false)
	if !p.Claim("b", netip.MustParseAddrPort("192.0.2.2:40001")) {
		t.Error("the port at another address is another's")
	}
	p.Release("b", at(port)) // not b's
	p.Release("a", at(port))
	c.add(Quarantine)
	claim("b", false)
	if who, inUse, ok := p.Who(at(port)); who != "a" || !inUse || !ok {
		t.Errorf("who: %q %v %v", who, inUse, ok)
	}
	p.Release("a", at(port))
	c.add(Quarantine - time.Nanosecond)
	claim("b", false)
	if who, inUse, ok := p.Who(at(port)); who != "a" || inUse || !ok {
		t.Errorf("who: %q %v %v", who, inUse, ok)
	}
	claim("a", true)
	p.Release("a", at(port))
	p.Release("a", at(port)) // once too often
	c.add(Quarantine)
	if _, _, ok := p.Who(at(port)); ok {
		t.Error("the quarantine is over, and somebody has the port")
	}
	claim("b", true)
	for _, bad := range []uint16{39999, 40010, 40003, 40004, 0, 65535} {
		if p.Claim("a", at(bad)) {
			t.Errorf("port %d claimed", bad)
		}
		p.Release("a", at(bad))
		if _, _, ok := p.Who(at(bad)); ok {
			t.Errorf("port %d is somebody's", bad)
		}
	}
}

func TestPickOrder(t *testing.T) {
	c := newClock()
	p := NewPorts(Range{Low: 100, High: 108}, c.now)
	pick := func(client string) uint16 {
		t.Helper()
		port, ok := p.Pick(client, here)
		if !ok {
			t.Fatalf("%s gets no port", client)
		}
		return port
	}
	mine := make(map[uint16]bool)
	for range 8 { // 8 of 9: all but what stays for others
		mine[pick("a")] = true
	}
	if len(mine) != 8 {
		t.Fatalf("ports are shared while some are free: %v", mine)
	}
	shared := make(map[uint16]int)
	for range 16 {
		shared[pick("a")]++
	}
	for port, n := range shared {
		if !mine[port] || n != 2 {
			t.Errorf("port %d is shared %d times, want 2 each", port, n)
		}
	}
	if b := pick("b"); mine[b] {
		t.Errorf("b gets %d of a", b)
	}
	if _, ok := p.Pick("c", here); ok {
		t.Error("c gets a port, and all are others'")
	}
	if port, ok := p.Pick("c", netip.MustParseAddr("2001:db8::1")); !ok || port == 0 {
		t.Error("c gets none at another address")
	}
	var one uint16
	for port := range mine {
		one = port
	}
	for range 3 {
		p.Release("a", at(one))
	}
	if got := pick("a"); got != one {
		t.Errorf("a gets %d, want %d that it had a moment ago, as none is free", got, one)
	}
	p.Release("a", at(one))
	c.add(Quarantine)
	if got := pick("c"); got != one {
		t.Errorf("c gets %d, want %d whose quarantine is over", got, one)
	}

	// A port that was let go a minute ago is taken before a fresh one.
	p = NewPorts(Range{Low: 100, High: 200}, c.now)
	first := pick("a")
	p.Release("a", at(first))
	if got := pick("a"); got == first {
		t.Errorf("%d again at once: its last server may refuse it", got)
	}
	c.add(timeWait)
	if got := pick("a"); got != first {
		t.Errorf("a gets %d, want its own %d", got, first)
	}
}

// Picks are random, as RFC 6056 wants.
func TestPicksAreSpread(t *testing.T) {
	seen := make(map[uint16]bool)
	for range 200 {
		p := NewPorts(Range{Low: 10000, High: 14999}, nil)
		port, _ := p.Pick("a", here)
		seen[port] = true
	}
	if len(seen) < 180 {
		t.Errorf("%d different ports in 200 first picks", len(seen))
	}
}

// Steps against a plain table of who had what until when.
func TestAgainstOracle(t *testing.T) {
	const low, high = 1000, 1099
	c := newClock()
	p := NewPorts(Range{Low: low, High: high, Reserved: []Range{{Low: 1010, High: 1012}}}, c.now)
	type use struct {
		client string
		flows  int
		freed  time.Time
	}
	oracle := make(map[uint16]*use)
	type flow struct {
		client string
		port   uint16
	}
	var open []flow
	r := rand.New(rand.NewPCG(1, 2))
	mayHave := func(client string, port uint16) bool {
		u := oracle[port]
		return u == nil || u.client == client || u.flows == 0 && !c.now().Before(u.freed.Add(Quarantine))
	}
	got := 0
	for step := range 300_000 {
		client := fmt.Sprint("c", r.IntN(1+step/30_000)) // ever more clients
		switch x := r.IntN(10); {
		case x < 4:
			port, ok := p.Pick(client, here)
			if !ok {
				for port := uint16(low); port <= high; port++ {
					if port < 1010 || port > 1012 {
						if mayHave(client, port) {
							t.Fatalf("step %d: no port for %s, yet it may have %d", step, client, port)
						}
					}
				}
				continue
			}
			if port < low || port > high || port >= 1010 && port <= 1012 || !mayHave(client, port) {
				t.Fatalf("step %d: %s gets %d of %+v", step, client, port, oracle[port])
			}
			u := oracle[port]
			if u == nil || u.client != client {
				u = &use{client: client}
				oracle[port] = u
			}
			u.flows++
			open = append(open, flow{client, port})
			got++
		case x < 5:
			port := uint16(low + r.IntN(high-low+1))
			want := mayHave(client, port) && (port < 1010 || port > 1012)
			if ok := p.Claim(client, at(port)); ok != want {
				t.Fatalf("step %d: %s claims %d: %v, want %v of %+v", step, client, port, ok, want, oracle[port])
			} else if ok {
				u := oracle[port]
				if u == nil || u.client != client {
					u = &use{client: client}
					oracle[port] = u
				}
				u.flows++
				open = append(open, flow{client, port})
			}
		case x < 9 && len(open) > 0:
			i := r.IntN(len(open))
			f := open[i]
			open[i] = open[len(open)-1]
			open = open[:len(open)-1]
			p.Release(f.client, at(f.port))
			u := oracle[f.port]
			u.flows--
			u.freed = c.now()
		default:
			c.add(time.Duration(r.IntN(20)) * time.Second)
		}
	}
	if got < 30_000 {
		t.Errorf("%d picks", got)
	}
	for _, f := range open {
		p.Release(f.client, at(f.port))
	}
	c.add(Quarantine)
	p.Who(at(low))
	if pool := p.pool(here).pool; len(pool.free) != 97 || len(pool.holders) != 0 || pool.quarantine != (list{}) {
		t.Errorf("left: %d of 97 free, %d holders", len(pool.free), len(pool.holders))
	}
}

// Who comes late finds a port, however the others have shared the rest.
func TestLateClient(t *testing.T) {
	p := NewPorts(Range{Low: 1000, High: 1499}, nil)
	for i := range 7 {
		client := fmt.Sprint("c", i)
		for n := range 600 {
			port, ok := p.Pick(client, here)
			if !ok {
				t.Fatalf("client %d: no port at its %d. flow", i, n+1)
			}
			p.Release(client, at(port))
		}
	}
}

func TestParallel(t *testing.T) {
	p := NewPorts(Range{Low: 1000, High: 1499}, nil)
	var owners [500]struct {
		sync.Mutex
		client string
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			client := fmt.Sprint("c", g%4)
			for range 3000 {
				port, ok := p.Pick(client, here)
				if !ok {
					t.Error("no port")
					return
				}
				o := &owners[port-1000]
				o.Lock()
				if o.client != "" && o.client != client {
					t.Errorf("port %d goes from %s to %s", port, o.client, client)
				}
				o.client = client
				o.Unlock()
				p.Release(client, at(port))
			}
		}()
	}
	wg.Wait()
}

func TestParseRange(t *testing.T) {
	r, err := parseRange("32768\t60999\n", "5124,40000-40010\n")
	if err != nil || r.Low != 32768 || r.High != 60999 || !r.reserved(5124) || !r.reserved(40010) || r.reserved(40011) {
		t.Errorf("%+v, %v", r, err)
	}
	for _, bad := range [][2]string{{"", ""}, {"5 4", ""}, {"0 5", ""}, {"1 70000", ""}, {"1 2", "x"}, {"1 2", "3-"}} {
		if _, err := parseRange(bad[0], bad[1]); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
	if r, err := LocalRange(); err != nil || r.Low == 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

func BenchmarkPickRelease(b *testing.B) {
	p := NewPorts(Range{Low: 1024, High: 65535}, nil)
	var names []string
	for i := range 2000 {
		names = append(names, fmt.Sprint("client-", i))
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			name := names[i%len(names)]
			if port, ok := p.Pick(name, here); ok {
				p.Release(name, at(port))
			}
		}
	})
}
