package uplink

import (
	"net/netip"
	"sync"
)

// sources remembers which line an address belongs to, also when the line has
// another one by now: subflows live on with the old one for a while.
type sources struct {
	mu    sync.Mutex
	lines map[netip.Addr]string
}

// maxSources bounds the memory; a line that changes its address every day
// takes months to get there.
const maxSources = 512

func (s *sources) learn(wans []WAN) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lines == nil || len(s.lines) > maxSources {
		s.lines = make(map[netip.Addr]string)
	}
	for _, w := range wans {
		for _, a := range w.Addrs {
			s.lines[a] = w.Name
		}
	}
}

func (s *sources) line(a netip.Addr) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name, ok := s.lines[a.Unmap()]
	return name, ok
}
