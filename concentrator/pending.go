package main

import (
	"net/netip"
	"sync"

	"tandem/shared/relay"
)

// pendingConns are the connections that have not shown yet whose they are, the
// oldest first. A source is one IPv4 address or one IPv6 /64, which is what a
// single household gets.
//
// A client's request comes with the SYN or right behind it, so who waits long
// has nothing to say: when the table is full, the oldest makes room. That way
// those who open connections and stay silent lock out nobody but themselves.
type pendingConns struct {
	mu             sync.Mutex
	total          int
	source         map[netip.Addr]int
	oldest, newest *pendingConn
}

// pendingConn is one of them. Its fields are the table's.
type pendingConn struct {
	source     netip.Addr
	conn       *relay.Socket
	prev, next *pendingConn
	left       bool
}

// enter takes in one more connection. It returns nil when its source has
// perSource already.
func (p *pendingConns) enter(conn *relay.Socket, source netip.Addr, limit, perSource int) *pendingConn {
	e := &pendingConn{source: source, conn: conn}
	key := household(source)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.source[key] >= perSource {
		return nil
	}
	if p.source == nil {
		p.source = make(map[netip.Addr]int)
	}
	for p.total >= limit {
		// Its reader sees the end at once and goes away.
		_ = p.oldest.conn.Reset()
		p.remove(p.oldest)
	}
	p.total++
	p.source[key]++
	if e.prev = p.newest; e.prev != nil {
		e.prev.next = e
	} else {
		p.oldest = e
	}
	p.newest = e
	return e
}

// leave takes a connection out; only the first call counts.
func (p *pendingConns) leave(e *pendingConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.remove(e)
}

func (p *pendingConns) remove(e *pendingConn) {
	if e.left {
		return
	}
	e.left = true
	p.total--
	key := household(e.source)
	if p.source[key]--; p.source[key] == 0 {
		delete(p.source, key)
	}
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		p.oldest = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		p.newest = e.prev
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
