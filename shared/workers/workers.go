// Package workers keeps goroutines that carry a connection through its steps for
// the next one: their stacks have the size already that a new one would have to
// grow to, by being copied twice.
package workers

import (
	"sync/atomic"
	"time"
)

// stay is how long one that has nothing to do waits for work.
const stay = time.Second

// Pool is a set of such goroutines. Use [New].
type Pool struct {
	work chan func()
	most int32
	idle atomic.Int32
}

// New returns a Pool of which at most so many wait for work; each keeps a stack of
// some KB.
func New(most int) *Pool { return &Pool{work: make(chan func()), most: int32(most)} }

// Do runs f on a goroutine of its own.
func (p *Pool) Do(f func()) {
	select {
	case p.work <- f:
	default:
		go p.run(f)
	}
}

func (p *Pool) run(f func()) {
	over := time.NewTimer(stay)
	defer over.Stop()
	for {
		f()
		if p.idle.Add(1) > p.most {
			p.idle.Add(-1)
			return
		}
		over.Reset(stay)
		select {
		case f = <-p.work:
			p.idle.Add(-1)
		case <-over.C:
			p.idle.Add(-1)
			return
		}
	}
}
