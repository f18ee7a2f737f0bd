package upstream

import "sync"

// passes remembers per line whether MPTCP gets through.
type passes struct {
	mu   sync.Mutex
	miss map[string]int // connections in a row that were plain TCP
}

// convinced is how many connections in a row must be plain TCP: one alone may
// be a lost packet's doing.
const convinced = 2

func (p *passes) learn(line string, isMPTCP bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.miss == nil {
		p.miss = make(map[string]int)
	}
	if isMPTCP {
		p.miss[line] = 0
	} else {
		p.miss[line]++
	}
}

// NoMPTCP tells whether something on the line's way removes MPTCP.
func (c *Converter) NoMPTCP(line string) bool {
	c.passes.mu.Lock()
	defer c.passes.mu.Unlock()
	return c.passes.miss[line] >= convinced
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
