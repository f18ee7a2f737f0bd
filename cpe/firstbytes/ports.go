package firstbytes

import "sync"

// Ports learns where waiting for a LAN host's first bytes is of no use, because
// the server speaks first there. The zero value is ready.
type Ports struct {
	mu     sync.Mutex
	silent map[uint16]uint8 // waits in a row that brought nothing
}

const (
	silentEnough = 3    // waits in vain, then no more of them
	silentAgain  = 32   // but one in so many connections
	portsMost    = 1024 // that are remembered
)

// WorthIt tells whether a host that connects to port is likely to speak soon.
func (p *Ports) WorthIt(port uint16) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
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
