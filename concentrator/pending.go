package main

import (
	"net/netip"
	"sync"
)

// pendingConns counts connections whose request has not been answered, in all
// and per source: one IPv4 address or one IPv6 /64, which is what a single
// household gets.
type pendingConns struct {
	mu     sync.Mutex
	total  int
	source map[netip.Addr]int
}

// enter counts one more unless a limit is reached.
func (p *pendingConns) enter(source netip.Addr, limit, perSource int) bool {
	key := household(source)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.total >= limit || p.source[key] >= perSource {
		return false
	}
	if p.source == nil {
		p.source = make(map[netip.Addr]int)
	}
	p.total++
	p.source[key]++
	return true
}

func (p *pendingConns) leave(source netip.Addr) {
	key := household(source)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total--
	if p.source[key]--; p.source[key] == 0 {
		delete(p.source, key)
	}
}

func (p *pendingConns) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.total
}

func household(a netip.Addr) netip.Addr {
	if a.Is6() {
		prefix, _ := a.Prefix(64)
		return prefix.Addr()
	}
	return a
}
