package relay

import (
	"sync/atomic"
	"testing"
	"time"
)

// gate is a Pacer that tells its loop's progress.
type gate struct{ passed func() }

func (g gate) Reserve(int) time.Duration { g.passed(); return 0 }
func (g gate) Quantum(size int) int      { return size }

// A flow that lives does not wait until a crowd has been closed that ended in the
// same moment, before it had something to say.
func TestCrowdEnds(t *testing.T) {
	noLeaks(t)
	e := newEngine(t)
	const crowd = 500
	var closed atomic.Int32
	at := make(chan int32, 1)
	live := newPacedChain(t, e, false, Options{Up: gate{func() { at <- closed.Load() }}})
	entered, release := make(chan struct{}), make(chan struct{})
	reset := func(c *chain) {
		_ = c.client.SetLinger(0)
		c.client.Close()
	}
	begin := func(done func()) *chain {
		o := Options{Done: func(f *Flow, _ Result) {
			if f.loop == live.flow.loop {
				done()
			}
		}}
		for { // one of the same loop
			c := newPacedChain(t, e, false, o)
			if c.flow.loop == live.flow.loop {
				return c
			}
			reset(c)
		}
	}
	var chains []*chain
	first := begin(func() { close(entered); <-release })
	for range crowd {
		chains = append(chains, begin(func() { closed.Add(1) }))
	}
	reset(first)
	<-entered // the loop stands still
	for _, c := range chains {
		reset(c)
	}
	if _, err := live.client.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	close(release)
	select {
	case n := <-at:
		if n > crowd/4 {
			t.Errorf("%d of %d flows were closed before a byte of another was read", n, crowd)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the byte was not read")
	}
	live.client.Close()
	live.server.Close()
	live.end(t)
}
