package main

import (
	"context"
	"io"
	"slices"
	"sync"
	"time"

	"tandem/shared/credential"
	"tandem/shared/relay"
)

// exchanges are the requests that were accepted and whose answer is not known
// to have arrived. A line can die under a request of which we have read every
// byte. Its CPE then sends the same bytes over another one, and the answer goes
// there: the request itself is carried out once.
type exchanges struct {
	mu   sync.Mutex
	open map[exchangeID]*exchange
}

// exchangeID is what two copies of a request have in common: nobody else can
// make it, and no other request of the client has it. Copies are numbered, and
// the highest number counts: they may arrive in any order, and their CPE has
// given the others up.
type exchangeID struct {
	key   credential.KeyID
	nonce credential.Nonce
}

// exchange is one of them. A nil exchange is that of a client without a key,
// whose copies could not be told from new requests.
type exchange struct {
	id exchangeID
	// told is how many bytes of the LAN host have been taken for the server,
	// more those of them that a copy brought and the server has not got yet.
	// Both are the request's handler's.
	told int
	more []byte

	mu    sync.Mutex
	copy  int // the highest number that has come
	ended bool
	next  *again        // the request has come again
	again chan struct{} // receives when next was set; nil until somebody waits
	wake  func()        // ends what the request's handler waits for; may be nil
}

// again is a connection on which a request came that was accepted before, and
// the LAN host's bytes that were read behind it.
type again struct {
	conn  *relay.Socket
	early []byte
}

// begin books an accepted request.
func (e *exchanges) begin(proof credential.Result, early int) *exchange {
	if proof.Key == nil {
		return nil
	}
	x := &exchange{id: exchangeID{proof.Key.ID(), proof.Nonce}, told: early, copy: proof.Copy}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.open == nil {
		e.open = make(map[exchangeID]*exchange)
	}
	e.open[x.id] = x
	return x
}

// end says that the answer has arrived, or never will. Copies that come later
// are refused.
func (e *exchanges) end(x *exchange) {
	if x == nil {
		return
	}
	e.mu.Lock()
	delete(e.open, x.id)
	e.mu.Unlock()
	x.mu.Lock()
	defer x.mu.Unlock()
	x.ended = true
	if x.next != nil {
		_ = x.next.conn.Reset()
		x.next = nil
	}
}

// offer hands over a connection on which a request came that was accepted
// before. It is the caller's still if no answer waits for its connection.
func (e *exchanges) offer(proof credential.Result, conn *relay.Socket, early []byte) bool {
	e.mu.Lock()
	x := e.open[exchangeID{proof.Key.ID(), proof.Nonce}]
	e.mu.Unlock()
	if x == nil {
		return false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.ended:
		return false
	case proof.Copy <= x.copy:
		_ = conn.Reset() // overtaken by one that was sent later
		return true
	}
	x.copy = proof.Copy
	if x.next != nil {
		_ = x.next.conn.Reset()
	}
	x.next = &again{conn, slices.Clone(early)}
	select {
	case x.again <- struct{}{}:
	default: // nil too
	}
	if x.wake != nil {
		x.wake()
	}
	return true
}

// whenAgain has wake called when the request comes again. It must not block.
func (x *exchange) whenAgain(wake func()) {
	if x == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.wake = wake
	if wake != nil && x.next != nil {
		wake()
	}
}

// pending tells whether the request has come again.
func (x *exchange) pending() bool {
	if x == nil {
		return false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.next != nil
}

// await returns the connection on which the request came again, nil if it does
// not within patience.
func (x *exchange) await(ctx context.Context, patience time.Duration) *relay.Socket {
	if x == nil {
		return nil
	}
	if patience == 0 {
		return x.take()
	}
	x.mu.Lock()
	if x.again == nil {
		x.again = make(chan struct{}, 1)
	}
	x.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		if conn := x.take(); conn != nil {
			return conn
		}
		select {
		case <-x.again:
		case <-timer.C:
			return x.take()
		case <-ctx.Done():
			return nil
		}
	}
}

// take is await without patience. Both copies of a request bring the same bytes
// of the LAN host, of which one has read more than the other: what is read of
// the new connection from here on is what the server does not have.
func (x *exchange) take() *relay.Socket {
	x.mu.Lock()
	a := x.next
	x.next = nil
	x.mu.Unlock()
	switch {
	case a == nil:
		return nil
	case len(a.early) >= x.told:
		x.more = append(x.more, a.early[x.told:]...)
		x.told = len(a.early)
		return a.conn
	}
	_ = a.conn.SetReadDeadline(time.Now().Add(lostPatience))
	_, err := io.CopyN(io.Discard, a.conn, int64(x.told-len(a.early)))
	_ = a.conn.SetReadDeadline(time.Time{})
	if err != nil {
		_ = a.conn.Reset()
		return nil
	}
	return a.conn
}

// tell sends the server what a copy brought.
func (x *exchange) tell(server *relay.Socket) error {
	if x == nil || len(x.more) == 0 {
		return nil
	}
	_, err := server.Write(x.more)
	x.more = nil
	return err
}
