package steer

import (
	"net/netip"
	"sync"
)

// announced are the addresses that peers have told of (ADD_ADDR), by the token
// of the connection. A concentrator on the path takes subflows there only.
type announced struct {
	mu   sync.Mutex
	last map[uint32]netip.AddrPort // made by Run
}

// book notes an announcement; one that is not valid is the connection's end.
func (a *announced) book(token uint32, at netip.AddrPort) {
	a.mu.Lock()
	if at.IsValid() {
		a.last[token] = at
	} else {
		delete(a.last, token)
	}
	a.mu.Unlock()
}

// of returns where a connection's further subflows go; not valid: nobody has
// said yet.
func (a *announced) of(token uint32) netip.AddrPort {
	a.mu.Lock()
	at := a.last[token]
	a.mu.Unlock()
	return at
}
