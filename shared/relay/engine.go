package relay

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

// Engine runs flows. The zero value is not usable; see [NewEngine].
type Engine struct {
	buffers buffers
	pipes   atomic.Int32 // open
	active  atomic.Int64
	next    atomic.Uint32 // loop for the next flow
	wakeful bool          // no naps, for comparison in benchmarks

	mu      sync.Mutex
	loops   []*loop
	lobby   *lobby
	drained chan struct{} // closed when active becomes 0; nil while nobody waits
	started chan struct{} // closed when active is 0 no more; the same
}

// NewEngine returns an engine without flows.
func NewEngine() *Engine {
	e := new(Engine)
	// If these fail, who needs them tries again and says why it cannot.
	_, _ = e.loop()
	_, _ = e.waitingRoom()
	return e
}

// Active returns the number of flows that have not ended.
func (e *Engine) Active() int { return int(e.active.Load()) }

// Flows returns those that have not ended, in no order.
func (e *Engine) Flows() []*Flow {
	e.mu.Lock()
	defer e.mu.Unlock()
	var flows []*Flow
	for _, l := range e.loops {
		flows = l.appendFlows(flows)
	}
	return flows
}

// Drain waits until no flow is left or ctx ends; then it aborts those that
// remain, both legs seeing a reset, and waits for them. It returns how many
// it had to abort.
func (e *Engine) Drain(ctx context.Context) (aborted int) {
	select {
	case <-e.empty():
		return 0
	case <-ctx.Done():
	}
	flows := e.Flows()
	for _, f := range flows {
		f.Abort(context.Cause(ctx))
	}
	<-e.empty()
	return len(flows)
}

func (e *Engine) empty() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.drained == nil {
		e.drained = make(chan struct{})
	}
	done := e.drained
	if e.active.Load() == 0 {
		close(done)
		e.drained = nil
	}
	return done
}

// Started returns a channel that is closed as soon as there is a flow.
func (e *Engine) Started() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.started == nil {
		e.started = make(chan struct{})
	}
	begun := e.started
	if e.active.Load() > 0 {
		close(begun)
		e.started = nil
	}
	return begun
}

// begun books one more flow.
func (e *Engine) begun() {
	if e.active.Add(1) > 1 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.started != nil {
		close(e.started)
		e.started = nil
	}
}

// ended books that a flow is gone.
func (e *Engine) ended() {
	if e.active.Add(-1) > 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.active.Load() == 0 && e.drained != nil {
		close(e.drained)
		e.drained = nil
	}
}

// Close ends the loops of an engine whose flows have all ended. The engine can
// be used again.
func (e *Engine) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, l := range e.loops {
		l.stop()
	}
	e.loops = nil
	if e.lobby != nil {
		e.lobby.file.Close()
		e.lobby = nil
	}
}

// waitingRoom returns the lobby.
func (e *Engine) waitingRoom() (*lobby, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.lobby == nil {
		l, err := newLobby()
		if err != nil {
			return nil, fmt.Errorf("start the relay: %w", err)
		}
		e.lobby = l
		go l.run()
	}
	return e.lobby, nil
}

// loop returns the loop that the next flow belongs to.
func (e *Engine) loop() (*loop, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(e.loops) < processors() {
		l, err := newLoop(e)
		if err != nil {
			return nil, fmt.Errorf("start the relay: %w", err)
		}
		e.loops = append(e.loops, l)
		go l.run()
	}
	return e.loops[e.next.Add(1)%uint32(len(e.loops))], nil
}

// processors is how many loops there are. Each may keep one of the scheduler's
// processors while it naps, so there are half as many more for other work.
var processors = sync.OnceValue(func() int {
	n := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(n + (n+1)/2)
	return n
})
