package relay

import (
	"net"
	"sync"
	"sync/atomic"

	"github.com/tandem-mptcp/tandem/shared/mptcp"
)

// Flow is one proxied connection while it lives.
type Flow struct {
	engine *Engine
	client *net.TCPConn // towards who opened the connection
	server *net.TCPConn // towards who accepted it
	done   func(Result)

	up, down pump
	open     atomic.Int32 // directions that have not ended

	abortOnce sync.Once
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

// Start joins client and server and takes both over; it returns at once. When
// the flow has ended, done runs once while the sockets are still open, so that
// their counters can be read; then they are closed.
func (e *Engine) Start(client, server *net.TCPConn, done func(Result)) (*Flow, error) {
	f := &Flow{engine: e, client: client, server: server, done: done}
	if err := f.up.init(f, client, server); err != nil {
		return nil, err
	}
	if err := f.down.init(f, server, client); err != nil {
		return nil, err
	}
	f.open.Store(2)
	e.add(f)
	go f.up.run()
	go f.down.run()
	return f, nil
}

// Bytes returns what has been moved so far, up and down.
func (f *Flow) Bytes() (up, down int64) {
	return f.up.bytes.Load(), f.down.bytes.Load()
}

// Abort ends the flow now: both sides see a reset.
func (f *Flow) Abort(cause error) {
	f.abortOnce.Do(func() {
		f.err = cause
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
	if f.done != nil {
		f.done(Result{Up: up, Down: down, Err: f.err})
	}
	if aborted {
		_ = mptcp.Reset(f.client)
		_ = mptcp.Reset(f.server)
	}
	_ = f.client.Close()
	_ = f.server.Close()
	f.engine.remove(f)
}
