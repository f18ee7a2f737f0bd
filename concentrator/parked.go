package main

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tandem/shared/convert"
	"tandem/shared/credential"
	"tandem/shared/park"
	"tandem/shared/relay"
)

// parking keeps the connections that clients made in advance: authenticated,
// waiting for a Connect. Each costs its socket and a few hundred bytes, and
// nothing runs for it. It counts against limits of its own, not as pending.
//
// A connection is taken out once, by whoever comes first: its next message
// (then it is served), the end of its time, or the wish for room. What is
// closed here has therefore carried out nothing, which is what lets a CPE send
// the same request again elsewhere.
type parking struct {
	lot  *park.Lot[*parkedConn]
	kick chan struct{} // the first one came, or the timeout changed

	mu             sync.Mutex
	total          int
	byClient       map[string]*parkedOf
	awaited        map[string]chan struct{} // closed when that client parks one
	oldest, newest *parkedConn

	parked, resumed, reversed, expired, shed, full atomic.Int64
}

// parkedOf is what one client has.
type parkedOf struct {
	count int           // room that is reserved, and what is in conns
	conns []*parkedConn // oldest first
}

// parkedConn is one of them. Its links are the parking's.
type parkedConn struct {
	conn       *relay.Socket
	client     *member
	proof      credential.Result // of the Hold, to sign a last word
	since      time.Time
	ticket     park.Ticket
	prev, next *parkedConn
}

func newParking() (*parking, error) {
	lot, err := park.New[*parkedConn]()
	if err != nil {
		return nil, err
	}
	return &parking{lot: lot, kick: make(chan struct{}, 1), byClient: make(map[string]*parkedOf), awaited: make(map[string]chan struct{})}, nil
}

// reserve counts one more for a client, unless it has enough or all have.
func (p *parking) reserve(client string, limit, perClient int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	of := p.byClient[client]
	if p.total >= limit || of != nil && of.count >= perClient || perClient == 0 {
		p.full.Add(1)
		return false
	}
	if of == nil {
		of = new(parkedOf)
		p.byClient[client] = of
	}
	p.total++
	of.count++
	return true
}

// release undoes reserve.
func (p *parking) release(client string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leave(client)
}

func (p *parking) leave(client string) {
	p.total--
	of := p.byClient[client]
	if of.count--; of.count == 0 {
		delete(p.byClient, client)
	}
}

// add parks a connection for which room was reserved.
func (p *parking) add(c *parkedConn) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	if c.ticket, err = p.lot.Park(c.conn, c); err != nil {
		p.leave(c.client.name)
		return err
	}
	if c.prev = p.newest; c.prev != nil {
		c.prev.next = c
	} else {
		p.oldest = c
		p.poke()
	}
	p.newest = c
	of := p.byClient[c.client.name]
	of.conns = append(of.conns, c)
	if ch := p.awaited[c.client.name]; ch != nil {
		close(ch)
		delete(p.awaited, c.client.name)
	}
	p.parked.Add(1)
	return nil
}

// takeOf takes out a client's oldest: its CPE takes the youngest first, so that
// the two rarely want the same one. nil: it has none, and more is closed when it
// parks one.
func (p *parking) takeOf(client string) (c *parkedConn, more <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if of := p.byClient[client]; of != nil {
		for _, c := range of.conns {
			if _, ours := p.lot.Take(c.ticket); ours {
				p.unlink(c)
				p.reversed.Add(1)
				return c, nil
			}
		}
	}
	ch := p.awaited[client]
	if ch == nil {
		ch = make(chan struct{})
		p.awaited[client] = ch
	}
	return nil, ch
}

func (p *parking) poke() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

// forget takes c, which its caller owns, out of the counts.
func (p *parking) forget(c *parkedConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unlink(c)
}

func (p *parking) unlink(c *parkedConn) {
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		p.oldest = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	} else {
		p.newest = c.prev
	}
	c.prev, c.next = nil, nil
	of := p.byClient[c.client.name]
	of.conns = slices.DeleteFunc(of.conns, func(have *parkedConn) bool { return have == c })
	p.leave(c.client.name)
}

func (p *parking) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.total
}

// run hands connections that spoke to resume, and closes those that were
// silent for timeout(), until ctx ends. Then it closes them all.
func (p *parking) run(ctx context.Context, timeout func() time.Duration, resume func(*parkedConn)) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = p.lot.Run(ctx, func(c *parkedConn) {
			p.forget(c)
			p.resumed.Add(1)
			resume(c)
		})
	}()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if next, some := p.expire(time.Now().Add(-timeout())); some {
			timer.Reset(time.Until(next.Add(timeout())) + time.Second)
		} else {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
			<-ended
			p.lot.Close(func(c *parkedConn) { p.forget(c); c.conn.Close() })
			return
		case <-p.kick:
		case <-timer.C:
		}
	}
}

// expire closes what was parked before then, and returns since when the oldest
// that is left has been there.
func (p *parking) expire(then time.Time) (oldest time.Time, some bool) {
	for _, c := range p.take(func(c *parkedConn) bool { return !c.since.After(then) }) {
		p.expired.Add(1)
		c.conn.Close()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.oldest == nil {
		return oldest, false
	}
	return p.oldest.since, true
}

// take takes out the oldest, as long as more says so.
func (p *parking) take(more func(*parkedConn) bool) (taken []*parkedConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := p.oldest; c != nil && more(c); {
		next := c.next
		if _, ours := p.lot.Take(c.ticket); ours {
			p.unlink(c)
			taken = append(taken, c)
		}
		c = next
	}
	return taken
}

// makeRoom closes the n oldest with Error 64, which tells their CPEs to keep
// fewer.
func (p *parking) makeRoom(n int) {
	for _, c := range p.take(func(*parkedConn) bool { n--; return n >= 0 }) {
		p.shed.Add(1)
		_ = c.conn.SetWriteDeadline(time.Now().Add(time.Second)) // it has room for this
		_, _ = c.conn.Write(sign(c.proof, convert.AppendWait(nil, convert.ResourceExceeded, parkWait)))
		c.conn.Close()
	}
}

// parkWait is what a CPE is asked to wait before it parks as many again.
const parkWait = 60 * time.Second

// hold answers a Hold and parks the connection. Only who has a key may park:
// the requests that come later must be told apart from repetitions.
func (s *server) hold(ctx context.Context, cpe *relay.Socket, source netip.Addr, set *settings, client *member, proof credential.Result, early int) {
	l := &set.config.Limits
	switch {
	case proof.Key == nil:
		s.refuse(ctx, cpe, source, refusal{answer: convert.AppendError(nil, convert.NotAuthorized), why: "a connection is to be parked without a credential"})
		return
	case early > 0: // it could not be told from a request that came later
		s.refuse(ctx, cpe, source, refusal{answer: sign(proof, convert.AppendEcho(nil, convert.MalformedMessage, nil)), why: "bytes behind a request to park"})
		return
	case !s.parking.reserve(client.name, l.MaxParked, l.MaxParkedPerClient):
		_ = s.answer(ctx, cpe, sign(proof, convert.AppendWait(nil, convert.ResourceExceeded, parkWait)))
		hangUp(cpe)
		return
	}
	if err := s.answer(ctx, cpe, sign(proof, s.supported(set, client))); err != nil {
		s.parking.release(client.name)
		cpe.Close()
		return
	}
	if err := s.parking.add(&parkedConn{conn: cpe, client: client, proof: proof, since: time.Now()}); err != nil {
		cpe.Close() // we are stopping
	}
}

// resume serves a parked connection on which something has come.
func (s *server) resume(ctx context.Context, c *parkedConn) {
	source := c.conn.Remote().Addr()
	l := &s.settings.Load().config.Limits
	entered := s.pending.enter(c.conn, source, l.MaxPending, l.MaxPendingPerSource)
	if entered == nil {
		c.conn.Close()
		return
	}
	s.setups.Add(1)
	s.workers.Do(func() {
		defer s.setups.Done()
		s.handle(ctx, c.conn, entered, true)
	})
}

func (s *server) parkTimeout() time.Duration { return s.settings.Load().config.Limits.ParkTimeout }
