package main

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"tandem/shared/credential"
)

// lot is a running parking, and a way to get connections into it.
type lot struct {
	*parking
	woken chan *parkedConn
	l     *net.TCPListener
}

func newLot(t *testing.T, timeout time.Duration) *lot {
	t.Helper()
	p, err := newParking()
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	k := &lot{p, make(chan *parkedConn, 1000), listener}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.run(ctx, func() time.Duration { return timeout }, func(c *parkedConn) { k.woken <- c })
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		listener.Close()
		if p.count() != 0 || len(p.byClient) != 0 || p.oldest != nil || p.newest != nil {
			t.Errorf("left behind: %d, %v", p.count(), p.byClient)
		}
	})
	return k
}

// park parks one connection of a client and returns the client's end.
func (k *lot) park(t *testing.T, client string) *net.TCPConn {
	t.Helper()
	far, err := net.DialTCP("tcp", nil, k.l.Addr().(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	near, err := k.l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	_ = far.SetReadDeadline(time.Now().Add(20 * time.Second))
	id, key := credential.NewKey()
	proof := credential.Result{Key: credential.NewIdentity(id, key)}
	if err := k.add(&parkedConn{conn: taken(t, near), client: &member{name: client}, proof: proof, since: time.Now()}); err != nil {
		t.Fatal(err)
	}
	return far
}

func (k *lot) reserved(t *testing.T, client string) *net.TCPConn {
	t.Helper()
	if !k.reserve(client, 100, 100) {
		t.Fatal("no room")
	}
	return k.park(t, client)
}

func TestParkedSpeaks(t *testing.T) {
	k := newLot(t, time.Hour)
	far := k.reserved(t, "a")
	other := k.reserved(t, "a")
	if _, err := far.Write([]byte("request")); err != nil {
		t.Fatal(err)
	}
	c := <-k.woken
	b := make([]byte, 16)
	if n, err := c.conn.Read(b); err != nil || string(b[:n]) != "request" {
		t.Errorf("read %q, %v", b[:n], err)
	}
	c.conn.Close()
	if k.count() != 1 {
		t.Errorf("%d parked, want the other one", k.count())
	}
	other.Close() // the CPE does not need it any more
	(<-k.woken).conn.Close()
}

func TestParkedLimits(t *testing.T) {
	k := newLot(t, time.Hour)
	for _, tt := range []struct {
		client string
		want   bool
	}{{"a", true}, {"a", true}, {"a", false}, {"b", true}, {"c", false}} {
		if got := k.reserve(tt.client, 3, 2); got != tt.want {
			t.Errorf("%s: %v", tt.client, got)
		}
	}
	if k.full.Load() != 2 {
		t.Errorf("%d refused, want 2", k.full.Load())
	}
	k.release("a")
	k.release("a")
	k.release("b")
}

// TestParkedExpires closes what was silent for too long, the oldest first.
func TestParkedExpires(t *testing.T) {
	k := newLot(t, time.Hour)
	first, second := k.reserved(t, "a"), k.reserved(t, "b")
	k.mu.Lock()
	k.oldest.since = time.Now().Add(-2 * time.Hour)
	k.mu.Unlock()
	k.poke()
	if n, err := first.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("the old one: %d, %v; want its end", n, err)
	}
	if k.count() != 1 || k.expired.Load() != 1 {
		t.Errorf("%d parked, %d expired", k.count(), k.expired.Load())
	}
	second.Close()
	(<-k.woken).conn.Close()
}

// TestParkedMakesRoom: the oldest get a last word and are closed.
func TestParkedMakesRoom(t *testing.T) {
	k := newLot(t, time.Hour)
	var far []*net.TCPConn
	for range 4 {
		far = append(far, k.reserved(t, "a"))
	}
	k.makeRoom(3)
	for i, c := range far[:3] {
		said, err := io.ReadAll(c)
		if err != nil || len(said) < 8 || said[4] != 30 || said[6] != 64 {
			t.Errorf("%d heard %x, %v; want Error 64", i, said, err)
		}
	}
	if k.count() != 1 || k.shed.Load() != 3 {
		t.Errorf("%d parked, %d shed", k.count(), k.shed.Load())
	}
}

// TestParkedCost: memory of this process for each parked connection.
func TestParkedCost(t *testing.T) {
	const n = 500
	k := newLot(t, time.Hour)
	for range n / 10 { // what growing costs once
		k.reserved(t, "warm up")
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse + m.OtherSys
	}
	before, goroutines := heap(), runtime.NumGoroutine()
	for range n {
		if !k.reserve("a", 1000, 1000) {
			t.Fatal("no room")
		}
		k.park(t, "a")
	}
	// Both ends are in this process, the client's with a clean-up of its own.
	each := (heap() - before) / n
	t.Logf("%d bytes for a parked connection and its other end", each)
	if each > 4096 {
		t.Errorf("%d bytes for a parked connection and its other end", each)
	}
	if more := runtime.NumGoroutine() - goroutines; more > 2 {
		t.Errorf("%d goroutines for %d parked connections", more, n)
	}
}
