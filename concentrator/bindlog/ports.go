package bindlog

import (
	"net/netip"
	"sync"
	"time"
)

// Quarantine is how long a port is kept from other clients after its last flow
// has ended (RFC 6888 REQ-8).
const Quarantine = 120 * time.Second

const (
	// timeWait is how long the kernel may refuse to use a port towards the same
	// server again (TCP_TIMEWAIT_LEN).
	timeWait = 60 * time.Second
	// greed bounds what one client can hold to greed × what is free, as in
	// package limits: something stays free for those who have less.
	greed = 8
	// keep is the part of an address's ports, one in keep, that only clients
	// without a port get: thresholds alone would let the last ones go to those
	// who have a few, and who comes late waits for the quarantine.
	keep = 64
)

// Ports gives each client ports of its own at each external address. All
// methods are safe for concurrent use; each holds the lock of one address for
// well below a microsecond.
type Ports struct {
	ports Range
	now   func() time.Time
	epoch time.Time
	lent  []lent // since Restore

	addresses byAddress[*lockedPool]
}

type lockedPool struct {
	sync.Mutex
	*pool
}

// NewPorts returns Ports that gives out those of r. now is time.Now if nil.
func NewPorts(r Range, now func() time.Time) *Ports {
	if now == nil {
		now = time.Now
	}
	return &Ports{ports: r, now: now, epoch: now()}
}

// Pick gives client a port for a new connection from the address from; the
// unspecified address stands for whichever the kernel chooses. In this order:
//
//   - one that the client had a while ago
//   - a free one, as long as the client has not many more than are free
//   - one that the client had a moment ago
//   - one that another flow of the client's uses: it works towards another
//     server
//
// It fails when others have all ports. Call Release when the connection has
// ended.
func (p *Ports) Pick(client string, from netip.Addr) (port uint16, ok bool) {
	pool := p.pool(from)
	pool.Lock()
	defer pool.Unlock()
	now := p.clock()
	pool.expire(now - int64(Quarantine))
	h := pool.holder(client)
	idle, free := h.idle.first, len(pool.free)
	var i uint32
	switch {
	case idle != 0 && pool.ports[idle].idleSince <= now-int64(timeWait):
		i = idle
	case free > 0 && (h.owned == 0 || h.owned < greed*(free-pool.reserve)):
		i = pool.any()
	case idle != 0:
		i = idle
	case h.busy.first != 0:
		i = h.busy.first
	default:
		return 0, false
	}
	pool.take(h, i)
	return p.ports.Low + uint16(i-1), true
}

// Claim takes a port that was chosen elsewhere. It fails, and nothing is
// claimed, when the port is or was another client's within the quarantine, or
// is none of those that Ports gives out.
func (p *Ports) Claim(client string, local netip.AddrPort) bool {
	i, ok := p.index(local.Port())
	if !ok {
		return false
	}
	pool := p.pool(local.Addr())
	pool.Lock()
	defer pool.Unlock()
	pool.expire(p.clock() - int64(Quarantine))
	if x := &pool.ports[i]; x.holder == nil && !pool.isFree(i) || x.holder != nil && x.holder.client != client {
		return false
	}
	pool.take(pool.holder(client), i)
	return true
}

// Release ends one use of a port by the client that it was picked or claimed
// for, with the same address. The quarantine begins with the last one.
func (p *Ports) Release(client string, local netip.AddrPort) {
	i, ok := p.index(local.Port())
	if !ok {
		return
	}
	pool := p.pool(local.Addr())
	pool.Lock()
	defer pool.Unlock()
	if x := &pool.ports[i]; x.holder != nil && x.holder.client == client && x.flows > 0 {
		pool.release(i, p.clock())
	}
}

// Who returns the client that uses a port or was the last to do so, and
// whether it does now. It knows the quarantine's time, not more.
func (p *Ports) Who(external netip.AddrPort) (client string, inUse, ok bool) {
	i, ok := p.index(external.Port())
	if !ok {
		return "", false, false
	}
	anyAddr := netip.IPv4Unspecified()
	if external.Addr().Is6() {
		anyAddr = netip.IPv6Unspecified()
	}
	for _, a := range []netip.Addr{external.Addr(), anyAddr} {
		pool, ok := p.addresses.known(a)
		if !ok {
			continue
		}
		pool.Lock()
		pool.expire(p.clock() - int64(Quarantine))
		if h := pool.ports[i].holder; h != nil {
			client, inUse = h.client, pool.ports[i].flows > 0
		}
		pool.Unlock()
		if client != "" {
			return client, inUse, true
		}
	}
	return "", false, false
}

// holder returns the client's entry, a new one if it has no port.
func (p *pool) holder(client string) *holder {
	if h := p.holders[client]; h != nil {
		return h
	}
	return &holder{client: client}
}

func (p *Ports) index(port uint16) (i uint32, ok bool) {
	if port < p.ports.Low || port > p.ports.High {
		return 0, false
	}
	return uint32(port-p.ports.Low) + 1, true
}

func (p *Ports) pool(a netip.Addr) *lockedPool {
	return p.addresses.at(a, func() *lockedPool {
		n := int(p.ports.High) - int(p.ports.Low) + 1
		return &lockedPool{pool: newPool(n, func(i uint32) bool { return !p.ports.reserved(p.ports.Low + uint16(i-1)) })}
	})
}

func (p *Ports) clock() int64 { return int64(p.now().Sub(p.epoch)) }
