package warm

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"tandem/shared/nocmp"
	"tandem/shared/park"
	"tandem/shared/relay"
	"tandem/shared/wrapped"
)

// Route is what a connection was made over. When the wanted route is another
// one, those of the old are of no use.
type Route struct {
	Line   string
	Source netip.Addr
	To     netip.AddrPort
}

// Conn is a connection in the pool.
type Conn struct {
	_ nocmp.Field
	*relay.Socket
	Route Route
	// Note is the opener's own.
	Note any

	parked time.Time
	ticket park.Ticket
}

// Parked is when the connection was ready.
func (c *Conn) Parked() time.Time { return c.parked }

// Config says how a pool works. All functions must be set but Now.
type Config struct {
	Min, Max int
	// Route returns the route that connections should have now; false: none
	// can be made.
	Route func() (Route, bool)
	// Open makes and primes one, within ctx. ErrShed in its error says that
	// the concentrator has no room for it, ErrReversed that it has used it.
	Open func(ctx context.Context) (*Conn, error)
	// Alive is asked before a connection is used. It must not block.
	Alive func(*Conn) bool
	// Shed looks at what a parked connection received: whether it is the
	// concentrator's wish for fewer, and for how long. It must not block.
	Shed func(*Conn) (wait time.Duration, ok bool)
	// Reverse looks at what a parked connection received: whether the
	// concentrator wants it for a connection from outside. Then Reverse has taken
	// it over. It must not block; nil: it never is.
	Reverse func(*Conn) bool
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// ErrShed is the concentrator's wish for fewer connections.
type ErrShed struct {
	Wait time.Duration
	Err  error
}

// ErrReversed says that the concentrator has taken a new connection at once, for
// one from outside.
var ErrReversed = errors.New("taken for a connection from outside")

func (e *ErrShed) Error() string { return e.Err.Error() }
func (e *ErrShed) Unwrap() error { return e.Err }

// Counters since the pool was made.
type Counters struct {
	Hits     int64 // flows that got a connection
	Misses   int64 // flows that found none
	Made     int64 // connections that were ready once
	Failed   int64 // that could not be made
	Lost     int64 // closed by the concentrator while parked
	Stale    int64 // found dead when wanted
	Aged     int64 // replaced for their age
	Shed     int64 // times the concentrator asked for fewer
	Reversed int64 // taken by the concentrator for a connection from outside
}

// State is how a pool is at one moment.
type State struct {
	Ready, Opening, Wanted int
	Life                   time.Duration
	Counters
}

// Pool keeps connections ready. Run must run.
type Pool struct {
	Config
	lot  *park.Lot[*Conn]
	kick chan struct{}

	mu      sync.Mutex
	ready   []*Conn // oldest first
	opening int
	closed  bool
	demand  demand
	pace    pace
	count   Counters
}

// New returns an empty pool.
func New(c Config) (*Pool, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	lot, err := park.New[*Conn]()
	if err != nil {
		return nil, err
	}
	return &Pool{Config: c, lot: lot, kick: make(chan struct{}, 1), pace: newPace()}, nil
}

// settle is how long it takes until a connection has its further subflows, and
// with them survives the loss of a line.
const settle = 400 * time.Millisecond

// next takes out the youngest that has settled, which is the most likely to be
// alive, else the oldest. It is called with mu held.
func (p *Pool) next(now time.Time) *Conn {
	i := len(p.ready) - 1
	for i > 0 && now.Sub(p.ready[i].parked) < settle {
		i--
	}
	c := p.ready[i]
	p.ready = append(p.ready[:i], p.ready[i+1:]...)
	return c
}

// Take takes a connection out, nil if none is ready. The caller owns it, and
// says with Proved or Stale how it fared.
func (p *Pool) Take() *Conn {
	route, ok := p.Route()
	p.mu.Lock()
	now := p.Now()
	p.demand.arrive(now)
	p.pace.arrive(now)
	var found *Conn
	var drop []*Conn
	for found == nil && len(p.ready) > 0 {
		c := p.next(now)
		if _, ours := p.lot.Take(c.ticket); !ours {
			continue // its peer has just closed it; woke deals with it
		}
		switch {
		case !ok || c.Route != route:
			drop = append(drop, c)
		case !p.Alive(c):
			p.count.Lost++
			drop = append(drop, c)
		default:
			found = c
		}
	}
	if found != nil {
		p.count.Hits++
	} else {
		p.count.Misses++
	}
	p.mu.Unlock()
	for _, c := range drop {
		c.Close()
	}
	p.Poke()
	return found
}

// Proved says that the concentrator answered on c.
func (p *Pool) Proved(c *Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pace.proved(p.Now().Sub(c.parked))
}

// Stale says that c was dead though nobody had closed it.
func (p *Pool) Stale(c *Conn) {
	p.mu.Lock()
	p.count.Stale++
	p.pace.stale(p.Now().Sub(c.parked))
	p.mu.Unlock()
	p.Poke()
}

// Resume ends a pause, as when the concentrator is known to work again.
func (p *Pool) Resume() {
	p.mu.Lock()
	p.pace.again, p.pace.pause = time.Time{}, pauseFirst
	p.mu.Unlock()
	p.Poke()
}

// Poke makes the pool look again, as when lines have changed.
func (p *Pool) Poke() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

// State returns how the pool is.
func (p *Pool) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	return State{Ready: len(p.ready), Opening: p.opening, Wanted: p.wanted(p.Now()), Life: p.pace.life, Counters: p.count}
}

// wanted is called with mu held.
func (p *Pool) wanted(now time.Time) int {
	return p.pace.allow(now, p.demand.want(now, p.Min, p.Max))
}

// Run fills the pool until ctx ends, then closes what is in it.
func (p *Pool) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Add(1)
	go func() { defer wg.Done(); _ = p.lot.Run(ctx, p.woke) }()
	defer p.close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wake, some := p.step(ctx, &wg)
		if some {
			timer.Reset(max(0, wake.Sub(p.Now())))
		} else {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-p.kick:
		case <-timer.C:
		}
	}
}

// step closes what is too old or goes the wrong way, opens what is missing as
// far as the pace allows, and says when to look again.
func (p *Pool) step(ctx context.Context, wg *sync.WaitGroup) (wake time.Time, some bool) {
	route, ok := p.Route()
	now := p.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	keep := p.ready[:0]
	for _, c := range p.ready {
		old := now.Sub(c.parked) >= p.pace.life
		if !old && ok && c.Route == route {
			keep = append(keep, c)
			continue
		}
		if _, ours := p.lot.Take(c.ticket); ours {
			if old {
				p.count.Aged++
			}
			wg.Add(1)
			go func() { defer wg.Done(); c.Close() }()
		}
	}
	clear(p.ready[len(keep):])
	p.ready = keep
	for ok && len(p.ready)+p.opening < p.wanted(now) {
		at, may := p.pace.next(p.opening)
		if !may {
			break
		}
		if at.After(now) {
			wake, some = at, true
			break
		}
		p.pace.last = now
		p.opening++
		wg.Add(1)
		go func() { defer wg.Done(); p.open(ctx) }()
	}
	if len(p.ready) > 0 {
		if end := p.ready[0].parked.Add(p.pace.life); !some || end.Before(wake) {
			wake, some = end, true
		}
	}
	return wake, some
}

// open makes one connection.
func (p *Pool) open(ctx context.Context) {
	c, err := p.Open(ctx)
	p.mu.Lock()
	p.opening--
	now := p.Now()
	shed, wasShed := wrapped.Find[*ErrShed](err)
	switch {
	case err == nil && !p.closed:
		c.parked = now
		if c.ticket, err = p.lot.Park(c, c); err != nil {
			p.count.Failed++
			p.pace.setback(now)
			break
		}
		p.count.Made++
		p.ready = append(p.ready, c)
	case err == nil:
		err = net.ErrClosed
	case errors.Is(err, ErrReversed):
		p.count.Reversed++
		p.demand.arrive(now)
	case wasShed:
		p.count.Shed++
		p.pace.shed(now, len(p.ready), shed.Wait)
		p.pace.setback(now)
	case ctx.Err() == nil:
		p.count.Failed++
		p.pace.setback(now)
	}
	p.mu.Unlock()
	if err != nil && c != nil {
		c.Close()
	}
	p.Poke()
}

// woke is told of a parked connection on which something happened.
func (p *Pool) woke(c *Conn) {
	p.mu.Lock()
	for i, have := range p.ready {
		if have == c {
			p.ready = append(p.ready[:i], p.ready[i+1:]...)
			break
		}
	}
	now := p.Now()
	if p.Reverse != nil && p.Reverse(c) {
		p.count.Reversed++
		p.demand.arrive(now)
		p.mu.Unlock()
		p.Poke()
		return
	}
	p.count.Lost++
	if wait, ok := p.Shed(c); ok {
		p.count.Shed++
		p.pace.shed(now, len(p.ready)+1, wait)
	}
	p.pace.setback(now)
	p.mu.Unlock()
	c.Close()
	p.Poke()
}

func (p *Pool) close() {
	p.mu.Lock()
	p.closed = true
	p.ready = nil
	p.mu.Unlock()
	p.lot.Close(func(c *Conn) { c.Close() })
}
