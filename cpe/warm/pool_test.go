package warm

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"tandem/shared/relay"
)

// far is a concentrator's end of the pool: it accepts and holds.
type far struct {
	engine *relay.Engine
	l      *net.TCPListener
	mu     sync.Mutex
	conns  []*net.TCPConn
	err    error // what Open returns instead
}

func newFar(t *testing.T) *far {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	engine := relay.NewEngine()
	t.Cleanup(engine.Close)
	return &far{engine: engine, l: l}
}

func (f *far) open(r Route) (*Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, f.err
	}
	c, err := net.DialTCP("tcp", nil, f.l.Addr().(*net.TCPAddr))
	if err != nil {
		return nil, err
	}
	s, err := f.l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	f.conns = append(f.conns, s)
	socket, err := f.engine.Take(c)
	if err != nil {
		return nil, err
	}
	return &Conn{Socket: socket, Route: r}, nil
}

func (f *far) fail(err error) { f.mu.Lock(); f.err = err; f.mu.Unlock() }

func (f *far) closeAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		c.Close()
	}
	f.conns = nil
}

// switchable is a route that a test changes.
type switchable struct {
	mu sync.Mutex
	r  Route
	ok bool
}

func (s *switchable) get() (Route, bool) { s.mu.Lock(); defer s.mu.Unlock(); return s.r, s.ok }
func (s *switchable) set(r Route, ok bool) {
	s.mu.Lock()
	s.r, s.ok = r, ok
	s.mu.Unlock()
}

var (
	overDSL = Route{"dsl", netip.MustParseAddr("198.51.100.2"), netip.MustParseAddrPort("203.0.113.1:5124")}
	overLTE = Route{"lte", netip.MustParseAddr("198.51.100.130"), netip.MustParseAddrPort("203.0.113.1:5124")}
)

func pool(t *testing.T, f *far, c Config) (*Pool, *switchable) {
	t.Helper()
	route := &switchable{r: overDSL, ok: true}
	c.Route = route.get
	c.Open = func(context.Context) (*Conn, error) { r, _ := route.get(); return f.open(r) }
	if c.Alive == nil {
		c.Alive = func(*Conn) bool { return true }
	}
	if c.Shed == nil {
		c.Shed = func(*Conn) (time.Duration, bool) { return 0, false }
	}
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if s := p.State(); s.Ready != 0 || s.Opening != 0 || p.lot.Len() != 0 {
			t.Errorf("left after the end: %+v, %d parked", s, p.lot.Len())
		}
	})
	return p, route
}

func until(t *testing.T, what string, p *Pool, condition func(State) bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !condition(p.State()); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("still not: %s: %+v", what, p.State())
		}
	}
}

func TestPoolFillsAndGrows(t *testing.T) {
	f := newFar(t)
	p, _ := pool(t, f, Config{Min: 2, Max: 30})
	until(t, "two ready", p, func(s State) bool { return s.Ready == 2 })
	var taken []*Conn
	for range 40 {
		if c := p.Take(); c != nil {
			taken = append(taken, c)
		}
	}
	if len(taken) < 2 {
		t.Errorf("took %d, two were ready", len(taken))
	}
	until(t, "filled to the bound", p, func(s State) bool { return s.Ready == 30 && s.Opening == 0 })
	if s := p.State(); s.Wanted != 30 || s.Hits != int64(len(taken)) || s.Hits+s.Misses != 40 {
		t.Errorf("state %+v", s)
	}
	for _, c := range taken {
		p.Proved(c)
		if _, err := c.Write([]byte("x")); err != nil {
			t.Errorf("taken connection: %v", err)
		}
		c.Close()
	}
}

// TestPoolLosesThem: the concentrator closes what is parked. Nobody gets a
// dead one, and the pool does not hammer it.
func TestPoolLosesThem(t *testing.T) {
	f := newFar(t)
	p, _ := pool(t, f, Config{Min: 8, Max: 8})
	until(t, "ready", p, func(s State) bool { return s.Ready == 8 })
	f.fail(errors.New("gone"))
	f.closeAll()
	until(t, "all noticed", p, func(s State) bool { return s.Lost == 8 && s.Ready == 0 })
	if p.Take() != nil {
		t.Error("took a connection that is closed")
	}
	f.fail(nil)
	until(t, "ready again", p, func(s State) bool { return s.Ready == 8 })
	if s := p.State(); s.Failed > 3 {
		t.Errorf("%d attempts while it was away", s.Failed)
	}
}

func TestPoolChangesRoute(t *testing.T) {
	f := newFar(t)
	p, route := pool(t, f, Config{Min: 3, Max: 8})
	until(t, "ready", p, func(s State) bool { return s.Ready == 3 })
	route.set(overLTE, true)
	if c := p.Take(); c != nil && c.Route != overLTE {
		t.Errorf("got a connection over %v", c.Route)
	}
	until(t, "made anew", p, func(s State) bool { return s.Made >= 6 && s.Ready == 3 })
	c := p.Take()
	if c == nil || c.Route != overLTE {
		t.Fatalf("got %v", c)
	}
	c.Close()
	route.set(Route{}, false)
	p.Poke()
	until(t, "emptied", p, func(s State) bool { return s.Ready == 0 })
	if p.Take() != nil {
		t.Error("got a connection without a line")
	}
}

func TestPoolChecksBeforeUse(t *testing.T) {
	f := newFar(t)
	var mu sync.Mutex
	alive := false
	p, _ := pool(t, f, Config{Min: 2, Max: 2, Alive: func(*Conn) bool { mu.Lock(); defer mu.Unlock(); return alive }})
	until(t, "ready", p, func(s State) bool { return s.Ready == 2 })
	if p.Take() != nil {
		t.Error("got one that is not alive")
	}
	mu.Lock()
	alive = true
	mu.Unlock()
	until(t, "ready again", p, func(s State) bool { return s.Ready == 2 })
	if c := p.Take(); c == nil {
		t.Error("got none")
	} else {
		c.Close()
	}
}

func TestPoolAgesAndLearns(t *testing.T) {
	f := newFar(t)
	var mu sync.Mutex
	now := start
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	p, _ := pool(t, f, Config{Min: 2, Max: 2, Now: clock})
	forward := func(d time.Duration) { mu.Lock(); now = now.Add(d); mu.Unlock(); p.Poke() }
	for p.State().Ready < 2 {
		forward(gap)
		runtime.Gosched()
	}
	forward(lifeMost)
	for p.State().Ready < 2 || p.State().Made < 4 {
		forward(gap)
		runtime.Gosched()
	}
	if s := p.State(); s.Aged != 2 {
		t.Errorf("state %+v, want two replaced for their age", s)
	}
	forward(2 * time.Minute)
	c := p.Take()
	p.Stale(c)
	c.Close()
	if s := p.State(); s.Life > 2*time.Minute || s.Stale != 1 {
		t.Errorf("state %+v, want a life of half the time it lay idle", s)
	}
}

func TestPoolShrinksWhenAsked(t *testing.T) {
	f := newFar(t)
	p, _ := pool(t, f, Config{Min: 8, Max: 8, Shed: func(*Conn) (time.Duration, bool) { return time.Hour, true }})
	until(t, "ready", p, func(s State) bool { return s.Ready == 8 })
	f.mu.Lock()
	_, _ = f.conns[0].Write([]byte("fewer"))
	f.conns[0].Close()
	f.mu.Unlock()
	until(t, "shrunk", p, func(s State) bool { return s.Shed == 1 && s.Wanted == 4 })
}
