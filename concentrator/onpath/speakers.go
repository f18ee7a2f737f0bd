package onpath

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

const (
	// remember is for how long a server is known to speak Multipath TCP, or not
	// to.
	remember = time.Hour
	// rememberMost bounds how many are.
	rememberMost = 16384
	// askMost is how many are asked at a time; the others have their turn when
	// somebody connects to them again.
	askMost = 8
	askTime = 5 * time.Second
)

// Speakers finds out which servers speak Multipath TCP themselves, so that
// connections to them can be left alone.
type Speakers struct {
	// Speaks shakes hands with a server.
	Speaks func(context.Context, netip.AddrPort) (bool, error)
	// Found is told of those that do.
	Found func(netip.AddrPort)
	Now   func() time.Time

	mu     sync.Mutex
	asked  map[netip.AddrPort]time.Time
	asking int
}

// Ask asks a server unless that was done of late. It returns at once; done is
// called when the answer is in, or now.
func (s *Speakers) Ask(ctx context.Context, server netip.AddrPort, done func()) {
	if !s.begin(server) {
		done()
		return
	}
	go func() {
		defer done()
		defer func() { s.mu.Lock(); s.asking--; s.mu.Unlock() }()
		ctx, cancel := context.WithTimeout(ctx, askTime)
		defer cancel()
		if yes, err := s.Speaks(ctx, server); err == nil && yes {
			s.Found(server)
		}
	}()
}

// Forget has all servers asked again.
func (s *Speakers) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.asked)
}

func (s *Speakers) begin(server netip.AddrPort) bool {
	now := s.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := s.asked[server]; ok && now.Sub(at) < remember || s.asking >= askMost {
		return false
	}
	if s.asked == nil || len(s.asked) >= rememberMost { // to begin anew costs one handshake a server
		s.asked = make(map[netip.AddrPort]time.Time)
	}
	s.asked[server] = now
	s.asking++
	return true
}
