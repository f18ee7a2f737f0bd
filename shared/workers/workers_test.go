package workers

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

// TestPool: all that is to be done is done at the same time, and nobody stays for
// long when nothing is left to do.
func TestPool(t *testing.T) {
	before := runtime.NumGoroutine()
	p := New(8)
	for range 3 {
		const n = 50
		var all, done sync.WaitGroup
		all.Add(n)
		done.Add(n)
		for range n {
			p.Do(func() { all.Done(); all.Wait(); done.Done() })
		}
		done.Wait()
	}
	for begin := time.Now(); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > 20*stay {
			t.Fatalf("%d goroutines are left, %d were there before", runtime.NumGoroutine(), before)
		}
	}
	if n := p.idle.Load(); n != 0 {
		t.Errorf("%d are counted idle", n)
	}
}
