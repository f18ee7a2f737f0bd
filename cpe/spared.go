package main

import (
	"net/netip"
	"sync"
	"time"
)

// spared are the destinations that a concentrator cannot reach for a while, as it
// said (Error 65): it is not asked for them again before (RFC 8803 section
// 4.2.8). The zero value is ready.
type spared struct {
	mu    sync.Mutex
	until map[netip.Addr]time.Time
}

// sparedMost bounds them. One more is asked for again too early.
const sparedMost = 256

func (s *spared) add(dst netip.Addr, now time.Time, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.until == nil {
		s.until = make(map[netip.Addr]time.Time)
	}
	for old, until := range s.until {
		if len(s.until) >= sparedMost || !now.Before(until) {
			delete(s.until, old)
		}
	}
	s.until[dst] = now.Add(wait)
}

func (s *spared) has(dst netip.Addr, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return now.Before(s.until[dst])
}
