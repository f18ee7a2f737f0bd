package relay

import (
	"syscall"
	"time"
)

// Flow is one proxied connection while it lives.
type Flow struct {
	loop *loop
	o    Options
	id   id // in loop

	client, server leg // towards who opened the connection, and who accepted it
	up, down       pump
	over           bool // closed, or about to be
}

// Options of a flow. The zero value limits nothing and tells nobody.
type Options struct {
	Up, Down Pacer // from client to server, from server to client; may be nil
	Tag      any   // the caller's own, for [Flow.Tag]
	// Before is what the caller has moved itself; it counts as moved.
	Before Moved
	// Done runs once when the flow has ended, while the sockets are still open,
	// so that their counters can be read. It must not block: other flows wait
	// for it.
	Done func(*Flow, Result)
}

// Moved is a number of payload bytes.
type Moved struct{ Up, Down int }

// Pacer limits the rate of one direction, maybe of several flows together. It
// must be safe for use by all of them at a time.
type Pacer interface {
	// Reserve counts n bytes that are moved, and returns how long to pause
	// before more are read.
	Reserve(n int) time.Duration
	// Quantum returns how many of up to size bytes to read at a time.
	Quantum(size int) int
}

// Result is what a flow leaves behind.
type Result struct {
	Up   int64 // payload bytes moved from client to server
	Down int64 // payload bytes moved from server to client
	// Err is nil after FIN in both directions, else what ended the flow
	// (for example ECONNRESET).
	Err error
}

// Start joins client and server and takes both over: the caller must not use
// them any more. It returns at once. After an error both are closed.
func (e *Engine) Start(client, server *Socket, o Options) (*Flow, error) {
	l, err := e.loop()
	if err != nil {
		_, _ = client.Reset(), server.Reset()
		return nil, err
	}
	f := &Flow{loop: l, o: o}
	f.up = pump{flow: f, src: &f.client, dst: &f.server, pacer: o.Up}
	f.down = pump{flow: f, src: &f.server, dst: &f.client, pacer: o.Down}
	f.up.bytes.Store(int64(o.Before.Up))
	f.down.bytes.Store(int64(o.Before.Down))
	if err := f.client.take(f, client); err != nil {
		_ = server.Reset()
		return nil, err
	}
	if err := f.server.take(f, server); err != nil {
		f.client.reset()
		return nil, err
	}
	e.begun()
	if err := l.add(f); err != nil {
		f.client.reset()
		f.server.reset()
		e.ended()
		return nil, err
	}
	return f, nil
}

// Tag returns what Options had as Tag.
func (f *Flow) Tag() any { return f.o.Tag }

// Client and Server give access to the sockets, for their counters. Both work
// until Done returns.
func (f *Flow) Client() syscall.Conn { return &f.client }
func (f *Flow) Server() syscall.Conn { return &f.server }

// Bytes returns what has been moved so far, up and down.
func (f *Flow) Bytes() (up, down int64) {
	return f.up.bytes.Load(), f.down.bytes.Load()
}

// Abort ends the flow soon: both sides see a reset.
func (f *Flow) Abort(cause error) { f.loop.abort(f, cause) }

// The rest runs on the loop.

// of returns the direction that reads from a leg, and the one that writes to
// it.
func (f *Flow) of(l *leg) (from, to *pump) {
	if l == &f.client {
		return &f.up, &f.down
	}
	return &f.down, &f.up
}

// ended ends the flow when both directions have ended.
func (f *Flow) ended() {
	if f.up.state == ended && f.down.state == ended {
		f.finish(nil)
	}
}

// finish ends the flow: by FIN where err is nil, else by reset. Its sockets are
// closed at the end of the round, or of a later one.
func (f *Flow) finish(err error) {
	if f.over {
		return
	}
	f.over = true
	f.up.stop()
	f.down.stop()
	f.loop.dead = append(f.loop.dead, ending{f, err})
}

// close is the last that happens to a flow.
func (f *Flow) close(err error) {
	up, down := f.Bytes()
	if f.o.Done != nil {
		f.o.Done(f, Result{Up: up, Down: down, Err: err})
	}
	f.loop.remove(f, err != nil)
	f.loop.engine.ended()
}
