package relay

import (
	"context"
	"sync"
)

// Engine runs flows. The zero value is not usable; see [NewEngine].
type Engine struct {
	buffers sync.Pool

	mu      sync.Mutex
	flows   map[*Flow]struct{}
	drained chan struct{} // closed when flows becomes empty; nil while nobody waits
}

// bufferSize is what one busy direction borrows. An idle one holds nothing.
const bufferSize = 64 << 10

// NewEngine returns an engine without flows.
func NewEngine() *Engine {
	e := &Engine{flows: make(map[*Flow]struct{})}
	e.buffers.New = func() any { b := make([]byte, bufferSize); return &b }
	return e
}

// Active returns the number of flows that have not ended.
func (e *Engine) Active() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.flows)
}

// Flows returns those that have not ended, in no order.
func (e *Engine) Flows() []*Flow {
	e.mu.Lock()
	defer e.mu.Unlock()
	flows := make([]*Flow, 0, len(e.flows))
	for f := range e.flows {
		flows = append(flows, f)
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
		if len(e.flows) == 0 {
			close(e.drained)
		}
	}
	done := e.drained
	if len(e.flows) == 0 {
		e.drained = nil
	}
	return done
}

func (e *Engine) add(f *Flow) {
	e.mu.Lock()
	e.flows[f] = struct{}{}
	e.mu.Unlock()
}

func (e *Engine) remove(f *Flow) {
	e.mu.Lock()
	delete(e.flows, f)
	if len(e.flows) == 0 && e.drained != nil {
		close(e.drained)
		e.drained = nil
	}
	e.mu.Unlock()
}
