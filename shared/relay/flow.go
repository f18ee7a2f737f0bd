package relay

import (
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tandem-mptcp/tandem/shared/mptcp"
)

// Flow is one proxied connection while it lives.
type Flow struct {
	engine *Engine
	client *net.TCPConn // towards who opened the connection
	server *net.TCPConn // towards who accepted it
	o      Options

	up, down pump
	open     atomic.Int32 // directions that have not ended

	abortOnce sync.Once
	aborted   chan struct{}
	err       error // why it was aborted; written before the sockets are reset
}

// Result is what a flow leaves behind.
type Result struct {
	Up   int64 // payload bytes moved from client to server
	Down int64 // payload bytes moved from server to client
	// Err is nil after FIN in both directions, else what ended the flow
	// (for example ECONNRESET).
	Err error
}

// Options of a flow. The zero value limits nothing and tells nobody.
type Options struct {
	Up, Down Pacer // from client to server, from server to client; may be nil
	Tag      any   // the caller's own, for [Flow.Tag]
	// Done runs once when the flow has ended, while the sockets are still open,
	// so that their counters can be read. It must not block: other flows wait
	// for it.
	Done func(*Flow, Result)
}

// Pacer limits the rate of one direction, maybe of several flows together. It
// must be safe for use by all of them at a time.
type Pacer interface {
	// Reserve counts n bytes that were moved, and returns how long to pause
	// before more are read.
	Reserve(n int) time.Duration
	// Quantum returns how many of up to size bytes to read at a time.
	Quantum(size int) int
}

// Start joins client and server and takes both over: the caller must not use
// them any more. It returns at once. After an error they are still the
// caller's.
func (e *Engine) Start(client, server *net.TCPConn, o Options) (*Flow, error) {
	f := &Flow{engine: e, client: client, server: server, o: o, aborted: make(chan struct{})}
	if err := f.up.init(f, client, server, o.Up); err != nil {
		return nil, err
	}
	if err := f.down.init(f, server, client, o.Down); err != nil {
		return nil, err
	}
	f.open.Store(2)
	e.add(f)
	go f.up.run()
	go f.down.run()
	return f, nil
}

// Tag returns what Options had as Tag.
func (f *Flow) Tag() any { return f.o.Tag }

// Client and Server give access to the sockets, for their counters. Both work
// until Done returns.
func (f *Flow) Client() syscall.Conn { return f.client }
func (f *Flow) Server() syscall.Conn { return f.server }

// Bytes returns what has been moved so far, up and down.
func (f *Flow) Bytes() (up, down int64) {
	return f.up.bytes.Load(), f.down.bytes.Load()
}

// Abort ends the flow now: both sides see a reset.
func (f *Flow) Abort(cause error) {
	f.abortOnce.Do(func() {
		f.err = cause
		close(f.aborted)
		// Shutting down wakes the directions that wait on either socket; the
		// reset itself follows in ended, when the counters have been read.
		wake(f.client)
		wake(f.server)
	})
}

// ended is called by each direction as its last act.
func (f *Flow) ended() {
	if f.open.Add(-1) > 0 {
		return
	}
	up, down := f.Bytes()
	aborted := true
	f.abortOnce.Do(func() { aborted = false })
	if f.o.Done != nil {
		f.o.Done(f, Result{Up: up, Down: down, Err: f.err})
	}
	if aborted {
		_ = mptcp.Reset(f.client)
		_ = mptcp.Reset(f.server)
	}
	_ = f.client.Close()
	_ = f.server.Close()
	f.engine.remove(f)
}
