package main

import (
	"sync/atomic"
	"time"

	"github.com/tandem-mptcp/tandem/shared/relay"
)

// workers are the goroutines that go through the steps of conn.go. One that is
// done stays for a moment and takes the next connection: its stack has the size
// already that a new one would have to grow to.
type workers struct {
	next chan *relay.Socket
	idle atomic.Int32
}

const (
	workersStay = time.Second
	// workersIdle is how many may be without work; each keeps a stack of some KB.
	workersIdle = 128
)

func newWorkers() workers { return workers{next: make(chan *relay.Socket)} }

// do has one of them, or a new one, call f for a connection.
func (w *workers) do(lan *relay.Socket, f func(*relay.Socket)) {
	select {
	case w.next <- lan:
	default:
		go w.run(lan, f)
	}
}

func (w *workers) run(lan *relay.Socket, f func(*relay.Socket)) {
	over := time.NewTimer(workersStay)
	defer over.Stop()
	for {
		f(lan)
		if w.idle.Add(1) > workersIdle {
			w.idle.Add(-1)
			return
		}
		over.Reset(workersStay)
		select {
		case lan = <-w.next:
			w.idle.Add(-1)
		case <-over.C:
			w.idle.Add(-1)
			return
		}
	}
}
