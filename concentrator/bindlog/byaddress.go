package bindlog

import (
	"maps"
	"net/netip"
	"sync"
)

// byAddress holds one pool for each external address, made when it is first
// asked for. All methods are safe for concurrent use; most only read.
type byAddress[P any] struct {
	mu    sync.RWMutex
	pools map[netip.Addr]P
}

// at returns the address's pool; make makes one for an address that is new.
func (b *byAddress[P]) at(a netip.Addr, make func() P) P {
	if p, ok := b.known(a); ok {
		return p
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	p, ok := b.pools[a]
	if !ok {
		p = make()
		if b.pools == nil {
			b.pools = map[netip.Addr]P{}
		}
		b.pools[a] = p
	}
	return p
}

func (b *byAddress[P]) known(a netip.Addr) (p P, ok bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	p, ok = b.pools[a]
	return p, ok
}

// all returns those that there are now.
func (b *byAddress[P]) all() map[netip.Addr]P {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return maps.Clone(b.pools)
}
