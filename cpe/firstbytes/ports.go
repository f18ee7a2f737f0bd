package firstbytes

import (
	"sync"
	"time"
)

// Ports learns where waiting for a LAN host's first bytes is of no use, because
// the server speaks first there, and where they are sure to come. The zero
// value is ready.
type Ports struct {
	mu     sync.Mutex
	silent map[uint16]uint8 // waits in a row that brought nothing
	spoke  map[uint16]uint8 // score of those that brought something
}

const (
	silentEnough = 3    // waits in vain, then no more of them
	silentAgain  = 32   // but one in so many connections
	portsMost    = 1024 // that are remembered

	// Bytes that are sure to come are waited for longer: on a busy router they
	// take their time, and a request that leaves without them has them follow a
	// round trip later.
	spokeEnough = 8
	spokeMost   = 16
	spokeLess   = 4 // for one that stayed silent: browsers connect ahead of need
	patience    = 6
	// patienceMost is less than the round trip that is at stake.
	patienceMost = 40 * time.Millisecond
)

// score of a port that nothing is known of: with HTTP, plain or over TLS, it is
// the client's turn.
func score(port uint16) uint8 {
	if port == 80 || port == 443 {
		return spokeEnough
	}
	return 0
}

// Wait returns how long a host that connects to port should get to speak,
// where d is how long one should that nothing is known of.
func (p *Ports) Wait(port uint16, d time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case d <= 0 || !p.worthIt(port):
		return 0
	case p.scoreOf(port) >= spokeEnough:
		return min(patience*d, max(d, patienceMost))
	}
	return d
}

func (p *Ports) scoreOf(port uint16) uint8 {
	if n, known := p.spoke[port]; known {
		return n
	}
	return score(port)
}

func (p *Ports) worthIt(port uint16) bool {
	n := p.silent[port]
	if n < silentEnough {
		return true
	}
	if n++; n >= silentEnough+silentAgain {
		n = silentEnough
	}
	p.silent[port] = n
	return n == silentEnough
}

// Learn notes how a wait ended.
func (p *Ports) Learn(port uint16, spoke bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keepScore(port, spoke)
	switch n, known := p.silent[port]; {
	case spoke:
		delete(p.silent, port)
	case n >= silentEnough:
	case known || len(p.silent) < portsMost:
		if p.silent == nil {
			p.silent = make(map[uint16]uint8)
		}
		p.silent[port] = n + 1
	}
}

func (p *Ports) keepScore(port uint16, spoke bool) {
	n := p.scoreOf(port)
	if spoke {
		n = min(n+1, spokeMost)
	} else {
		n -= min(n, spokeLess)
	}
	if _, known := p.spoke[port]; known || len(p.spoke) < portsMost {
		if p.spoke == nil {
			p.spoke = make(map[uint16]uint8)
		}
		p.spoke[port] = n
	}
}
