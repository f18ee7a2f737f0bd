package upstream

import (
	"context"
	"sync"
	"syscall"
	"time"

	"tandem/cpe/uplink"
	"tandem/shared/mptcp"
)

// passes remembers per line whether MPTCP gets through. A line on which
// connections begin shows it by them. Of another one it is known that joins
// (MP_JOIN) fail there, which may have other causes too: so the line itself is
// asked then.
type passes struct {
	mu     sync.Mutex
	lines  map[string]*pass
	looked time.Time // at a connection's subflows
}

type pass struct {
	plain int       // connections in a row that were plain TCP
	asked time.Time // for a connection without a subflow there, if none had one since
}

const (
	// convinced is how many connections in a row must be plain TCP: one
	// alone may be a lost packet's doing.
	convinced = 2
	// joinTime is how long a join takes at most, one lost packet included.
	joinTime  = 1500 * time.Millisecond
	lookEvery = 100 * time.Millisecond
	// askAgain is how long a line whose joins fail for another reason is left in
	// peace.
	askAgain = 10 * time.Minute
	askBytes = 1500 // an exchange with its handshake and end
)

// line is called with mu held.
func (p *passes) line(name string) *pass {
	l := p.lines[name]
	if l == nil {
		if p.lines == nil {
			p.lines = make(map[string]*pass)
		}
		l = new(pass)
		p.lines[name] = l
	}
	return l
}

func (p *passes) learn(line string, isMPTCP bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.line(line); isMPTCP {
		l.plain = 0
	} else {
		l.plain++
	}
}

// joins books whether a connection had a subflow over a line. It returns true
// when the line should be asked why.
func (p *passes) joins(line string, joined bool, now time.Time) (ask bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.line(line)
	if joined {
		*l = pass{}
		return false
	}
	if l.plain >= convinced || now.Sub(l.asked) < askAgain {
		return false
	}
	l.asked = now
	return true
}

// mayLook spares a busy router most of the looks.
func (p *passes) mayLook(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.looked) < lookEvery {
		return false
	}
	p.looked = now
	return true
}

// said books the line's own answer.
func (p *passes) said(line string, isMPTCP bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.line(line); isMPTCP {
		l.plain = 0
	} else {
		l.plain = convinced
	}
}

// NoMPTCP tells whether something on the line's way removes MPTCP.
func (c *Converter) NoMPTCP(line string) bool {
	c.passes.mu.Lock()
	defer c.passes.mu.Unlock()
	return c.passes.line(line).plain >= convinced
}

// NoSynData tells whether data in the SYN was tried on the line, and not taken.
func (c *Converter) NoSynData(line string) bool {
	c.synData.mu.Lock()
	defer c.synData.mu.Unlock()
	for route, l := range c.synData.lines {
		if route.Line == line && l.misses > 0 {
			return true
		}
	}
	return false
}

// Joins looks at the subflows that the kernel has made for a connection which
// began over a line: those that are missing tell of theirs. since is when the
// connection was there.
func (c *Converter) Joins(conn syscall.Conn, began string, since time.Time) {
	if c.Steered || c.OnPath {
		return // package steer makes them, some and later; or the concentrator announces where to
	}
	now := time.Now()
	if now.Sub(since) < joinTime || !c.passes.mayLook(now) {
		return
	}
	subflows, err := mptcp.Subflows(conn)
	if err != nil || len(subflows) == 0 {
		return // plain TCP, or ended already
	}
	to := subflows[0].Remote.Addr()
	for _, w := range c.lines() {
		if source, leads := w.Source(to); w.Name != began && w.Up && leads && w.Since.Before(since) {
			if now.Sub(since) < 4*c.roundTrip(w) {
				continue
			}
			joined := false
			for _, s := range subflows {
				if s.Local.Addr() == source && s.MinRTT > 0 {
					joined = true
					c.trips.seen(w.Name, s.MinRTT)
				}
			}
			c.Joined(w, joined)
		}
	}
}

// Joined books that a connection has got a subflow over a line, or has not
// though it should.
func (c *Converter) Joined(line uplink.WAN, joined bool) {
	if c.passes.joins(line.Name, joined, time.Now()) {
		go c.askPass(line)
	}
}

// askPass asks over a line whether MPTCP gets through.
func (c *Converter) askPass(line uplink.WAN) {
	if !c.affords(line) {
		return
	}
	t, err := c.Try(context.Background(), line, false)
	if err != nil {
		c.log.Debug("joins fail on a line, and it does not answer", "wan", line.Name, "err", err)
		return
	}
	if c.passes.said(line.Name, t.MPTCP); !t.MPTCP {
		c.log.Warn("something on the way removes MPTCP: connections get no subflow over this line", "wan", line.Name)
	}
}
