package park

import (
	"context"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

type pair struct{ here, there *net.TCPConn }

func pairs(t *testing.T, n int) []pair {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	list := make([]pair, n)
	for i := range list {
		if list[i].there, err = net.DialTCP("tcp", nil, l.Addr().(*net.TCPAddr)); err != nil {
			t.Fatal(err)
		}
		if list[i].here, err = l.AcceptTCP(); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, p := range list {
			p.here.Close()
			p.there.Close()
		}
	})
	return list
}

// running starts Run and collects whom it woke.
func running(t *testing.T) (*Lot[int], <-chan int) {
	t.Helper()
	l, err := New[int]()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	woken, done := make(chan int, 1024), make(chan error, 1)
	go func() { done <- l.Run(ctx, func(i int) { woken <- i }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		l.Close(func(int) {})
	})
	return l, woken
}

func receive(t *testing.T, ch <-chan int) int {
	t.Helper()
	select {
	case i := <-ch:
		return i
	case <-time.After(10 * time.Second):
		t.Fatal("nothing woke")
		return 0
	}
}

func TestWakes(t *testing.T) {
	l, woken := running(t)
	ps := pairs(t, 4)
	// Readable before it is parked.
	if _, err := ps[0].there.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	tickets := make([]Ticket, len(ps))
	for i, p := range ps {
		var err error
		if tickets[i], err = l.Park(p.here, i); err != nil {
			t.Fatal(err)
		}
	}
	if got := receive(t, woken); got != 0 {
		t.Errorf("woke %d, want 0", got)
	}
	if _, err := ps[1].there.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, woken); got != 1 {
		t.Errorf("woke %d, want 1", got)
	}
	ps[2].there.CloseWrite()
	if got := receive(t, woken); got != 2 {
		t.Errorf("woke %d, want 2", got)
	}
	_ = ps[3].there.SetLinger(0)
	ps[3].there.Close() // a reset
	if got := receive(t, woken); got != 3 {
		t.Errorf("woke %d, want 3", got)
	}
	for i, ticket := range tickets {
		if _, ok := l.Take(ticket); ok {
			t.Errorf("%d was woken and can be taken all the same", i)
		}
	}
	if l.Len() != 0 {
		t.Errorf("%d parked", l.Len())
	}
	// What was woken works as before, and its bytes are all there.
	b := make([]byte, 2)
	_ = ps[1].here.SetReadDeadline(time.Now().Add(5 * time.Second))
	if n, err := ps[1].here.Read(b); n != 1 || err != nil || b[0] != 'x' {
		t.Errorf("read %d bytes, %v", n, err)
	}
}

// TestTakenWakesNobody takes a connection out and uses it; a place that is
// used again belongs to the new one alone.
func TestTakenWakesNobody(t *testing.T) {
	l, woken := running(t)
	ps := pairs(t, 2)
	first, err := l.Park(ps[0].here, 10)
	if err != nil {
		t.Fatal(err)
	}
	if value, ok := l.Take(first); !ok || value != 10 {
		t.Fatalf("took %d, %v", value, ok)
	}
	second, err := l.Park(ps[1].here, 11)
	if err != nil {
		t.Fatal(err)
	}
	if uint32(first) != uint32(second) || first == second {
		t.Errorf("tickets %x and %x: want the same place and another serial", first, second)
	}
	if _, ok := l.Take(first); ok {
		t.Error("a used ticket took somebody else's connection")
	}
	ps[0].there.Close()
	ps[1].there.Close()
	if got := receive(t, woken); got != 11 {
		t.Errorf("woke %d, want 11 alone", got)
	}
	select {
	case i := <-woken:
		t.Errorf("woke %d too", i)
	default:
	}
}

// TestOneOwner lets takers, peers and Close race for the same connections.
func TestOneOwner(t *testing.T) {
	const n = 200
	l, err := New[int]()
	if err != nil {
		t.Fatal(err)
	}
	ps := pairs(t, n)
	var owners [n]atomic.Int32
	own := func(i int) { owners[i].Add(1) }
	done := make(chan error, 1)
	go func() { done <- l.Run(context.Background(), own) }()
	tickets := make([]Ticket, n)
	for i, p := range ps {
		if tickets[i], err = l.Park(p.here, i); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for i := range ps {
		wg.Add(2)
		go func() { defer wg.Done(); ps[i].there.Close() }()
		go func() {
			defer wg.Done()
			if value, ok := l.Take(tickets[i]); ok {
				own(value)
			}
		}()
	}
	l.Close(own)
	wg.Wait()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for i := range owners {
		if got := owners[i].Load(); got != 1 {
			t.Errorf("connection %d has %d owners", i, got)
		}
	}
	if _, err := l.Park(ps[0].here, 0); err != ErrClosed {
		t.Errorf("parked after Close: %v", err)
	}
}

// TestNoGoroutineEach: a thousand parked connections are one goroutine.
func TestNoGoroutineEach(t *testing.T) {
	l, _ := running(t)
	ps := pairs(t, 1000)
	before := runtime.NumGoroutine()
	for i, p := range ps {
		if _, err := l.Park(p.here, i); err != nil {
			t.Fatal(err)
		}
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines for %d connections", after-before, len(ps))
	}
	if l.Len() != len(ps) {
		t.Errorf("%d parked", l.Len())
	}
}
