package front

import (
	"net/netip"
	"sync"
	"testing"
	"time"
	"unsafe"
)

func source(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

const second = int64(time.Second)

func TestBudget(t *testing.T) {
	f := New(60)
	bad, other := source(1), source(2)
	for i := range 60 {
		if !f.admit(bad, 0) {
			t.Fatalf("turned away after %d failures", i)
		}
		f.failed(bad, 0)
	}
	if f.admit(bad, 0) {
		t.Error("admitted after 60 failures")
	}
	if !f.admit(other, 0) {
		t.Error("another source is turned away")
	}
	for range 1000 {
		f.failed(bad, 0) // were on their way
	}
	if f.admit(bad, second/2) {
		t.Error("admitted half a second later")
	}
	if !f.admit(bad, second+second/2) {
		t.Error("turned away a second later: one failure is forgiven")
	}
	f.failed(bad, second+second/2)
	if f.admit(bad, second+second*3/5) {
		t.Error("admitted twice for one failure forgiven")
	}
	if !f.admit(bad, 62*second) || f.find1(bad).debt > 1 {
		t.Error("not forgiven after a minute")
	}
}

// TestHammering: who goes on is not let in, who stops is, soon.
func TestHammering(t *testing.T) {
	f := New(60)
	bad := source(1)
	for range 60 {
		f.failed(bad, 0)
	}
	now := int64(0)
	for range 1000 { // 11 a second, one is forgiven
		now += second / 11
		if f.admit(bad, now) {
			t.Fatalf("let in after %v of it", time.Duration(now))
		}
	}
	if !f.admit(bad, now+2*second) {
		t.Error("not let in two seconds after it stopped")
	}
}

// find1 is for tests.
func (f *Front) find1(a netip.Addr) *entry { _, s := f.find(a); return s.of(a) }

func TestProven(t *testing.T) {
	f := New(10)
	shared := source(1)
	f.proven(shared, 0)
	for i := range 200 {
		if !f.admit(shared, 0) {
			t.Fatalf("a client's source is turned away after %d failures", i)
		}
		f.failed(shared, 0)
	}
	if f.admit(shared, 0) {
		t.Error("a client's source may fail without end")
	}
	later := provenFor + second
	for range 10 {
		f.failed(shared, later)
	}
	if f.admit(shared, later) {
		t.Error("it is a client's source for ever")
	}
}

func TestNoLimit(t *testing.T) {
	f := New(0)
	for range 1000 {
		f.failed(source(1), 0)
	}
	if !f.admit(source(1), 0) || f.find1(source(1)) != nil {
		t.Error("limit 0 limits")
	}
}

// TestFull: an attack from more sources than are remembered forgets neither
// clients nor those at their limit, and shuts out nobody who did nothing.
func TestFull(t *testing.T) {
	f := New(2)
	const remembered = shards * sets * ways
	for i := range 100 {
		f.proven(source(i), 0)
		f.failed(source(1000+i), 0)
		f.failed(source(1000+i), 0)
	}
	for i := range 3 * remembered {
		f.failed(source(100_000+i), 0)
	}
	for i := range 100 {
		if e := f.find1(source(i)); e == nil || e.proven == 0 {
			t.Fatalf("client %d is forgotten", i)
		}
		if f.admit(source(1000+i), 0) {
			t.Fatalf("bad source %d is forgotten", i)
		}
		if !f.admit(source(2000+i), 0) {
			t.Fatalf("a source that did nothing is turned away")
		}
	}
	// A client finds a place even among the bad.
	for i := range remembered {
		f.failed(source(5_000_000+i), 0)
		f.failed(source(5_000_000+i), 0)
	}
	f.proven(source(3000), 0)
	if e := f.find1(source(3000)); e == nil || e.proven == 0 {
		t.Error("no place for a client")
	}
}

func TestMemory(t *testing.T) {
	if size := unsafe.Sizeof(Front{}); size > 4<<20 {
		t.Errorf("%d bytes", size)
	}
	if n := testing.AllocsPerRun(100, func() { f := shared; f.Admit(source(1)); f.Failed(source(1)); f.Proven(source(2)) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

var shared = New(60)

func TestAlert(t *testing.T) {
	f := New(1)
	if f.Alert() {
		t.Error("alert from the start")
	}
	f.Failed(source(1))
	f.Admit(source(1))
	if !f.Alert() {
		t.Error("no alert after one was turned away")
	}
}

func TestConcurrently(t *testing.T) {
	f := New(60)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for j := range 2000 {
				f.Failed(source(j % 50))
				f.Admit(source(j % 50))
				f.Proven(source(100 + i))
			}
		}()
	}
	wg.Wait()
	if f.Admit(source(1)) {
		t.Error("admitted")
	}
}

func BenchmarkAdmit(b *testing.B) {
	f := New(60)
	for i := range 1000 {
		for range 60 {
			f.Failed(source(i))
		}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		f.Admit(source(i % 1000))
	}
}
