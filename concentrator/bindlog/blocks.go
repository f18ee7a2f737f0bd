package bindlog

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"
)

// Blocks gives each client blocks of consecutive ports at each external
// address, so that the log has two lines for each block instead of one for
// each connection (RFC 6888 section 4, RFC 7422). A client gets another block
// when it opens more connections in a minute than it has ports, and loses one
// that it has not used for [Quarantine]. All methods are safe for concurrent
// use; each takes the same short time, however many clients and blocks there
// are.
type Blocks struct {
	ports Range
	size  int
	log   Log
	now   func() time.Time
	epoch time.Time
	lent  []lent // since Restore

	addresses byAddress[*blockPool]
}

// blockPool is the blocks of one address. Its pool's ports are blocks.
type blockPool struct {
	sync.Mutex
	*pool
	cursor []uint16    // of each block: the offset of the port that is next
	since  []time.Time // of each block that is held: when it became its client's
}

// demand is how many ports a client needs: those of the connections that it
// has, and those that it asked for in this minute and the last one, towards
// whose servers the kernel may refuse them.
type demand struct {
	open      int
	window    int64
	now, last int
}

func (d *demand) ports() int { return max(d.open, d.last+d.now) }

// ask counts one more.
func (d *demand) ask(now int64) {
	switch window := now / int64(timeWait); {
	case window == d.window+1:
		d.window, d.last, d.now = window, d.now, 0
	case window != d.window:
		d.window, d.last, d.now = window, 0, 0
	}
	d.now++
	d.open++
}

// restore counts what an earlier run was asked for.
func (d *demand) restore(ports int, now int64) {
	d.window = now / int64(timeWait)
	d.last += ports
}

// NewBlocks returns Blocks that gives out the ports of r, size at a time: 1 to
// the whole range. A block with a reserved port in it is left out. now is
// time.Now if nil; log is told who gets and loses which block.
func NewBlocks(r Range, size int, log Log, now func() time.Time) *Blocks {
	if now == nil {
		now = time.Now
	}
	return &Blocks{ports: r, size: size, log: log, now: now, epoch: now()}
}

// Pick gives client a port for a new connection from the address from. Ports
// of a client's blocks are used in turn, so that each rests for as long as can
// be; that one has connections to other servers is no reason against it. It
// fails when others have all blocks.
func (b *Blocks) Pick(client string, from netip.Addr) (port uint16, ok bool) {
	p := b.pool(from)
	p.Lock()
	defer p.Unlock()
	now := b.clock()
	p.expire(now - int64(Quarantine))
	h := p.holder(client)
	h.asked.ask(now)
	need := (h.asked.ports()-1)/b.size + 1
	free := len(p.free)
	var i uint32
	switch {
	case free > 0 && (h.owned == 0 || h.owned < need && h.owned < greed*(free-p.reserve)):
		i = p.any()
		p.cursor[i] = uint16(rand.IntN(b.size)) // cannot be foretold (RFC 6056)
	case h.idle.first != 0 && (h.owned <= need || h.busy.first == 0):
		i = h.idle.first
		if h.owned > need { // always the same: the others are to be freed
			i = h.idle.last
		}
	case h.busy.first != 0:
		i = h.busy.first
	default:
		h.asked.open--
		return 0, false
	}
	p.take(h, i)
	offset := p.cursor[i]
	p.cursor[i] = uint16((int(offset) + 1) % b.size)
	return b.first(i) + offset, true
}

// Release ends one use of a port by the client that it was picked for, with
// the same address. A block's quarantine begins with the last one.
func (b *Blocks) Release(client string, local netip.AddrPort) {
	i, ok := b.index(local.Port())
	if !ok {
		return
	}
	p := b.pool(local.Addr())
	p.Lock()
	defer p.Unlock()
	if x := &p.ports[i]; x.holder != nil && x.holder.client == client && x.flows > 0 {
		x.holder.asked.open--
		p.release(i, b.clock())
	}
}

// Who returns the client whose block a port is in, and whether a connection of
// its uses the block now.
func (b *Blocks) Who(external netip.AddrPort) (client string, inUse, ok bool) {
	i, ok := b.index(external.Port())
	if !ok {
		return "", false, false
	}
	p := b.pool(external.Addr())
	p.Lock()
	defer p.Unlock()
	p.expire(b.clock() - int64(Quarantine))
	h := p.ports[i].holder
	if h == nil {
		return "", false, false
	}
	return h.client, p.ports[i].flows > 0, true
}

func (b *Blocks) pool(a netip.Addr) *blockPool {
	return b.addresses.at(a, func() *blockPool { return b.newPool(a) })
}

func (b *Blocks) newPool(a netip.Addr) *blockPool {
	n := (int(b.ports.High) - int(b.ports.Low) + 1) / b.size
	p := &blockPool{cursor: make([]uint16, n+1), since: make([]time.Time, n+1)}
	p.pool = newPool(n, func(i uint32) bool {
		for port := int(b.first(i)); port < int(b.first(i))+b.size; port++ {
			if b.ports.reserved(uint16(port)) {
				return false
			}
		}
		return true
	})
	p.changed = func(i uint32, client string, held bool) {
		first := b.first(i)
		r := Record{Client: client, External: netip.AddrPortFrom(a, first), Last: first + uint16(b.size-1)}
		if held {
			p.since[i] = b.now()
		} else {
			r.End = b.epoch.Add(time.Duration(p.ports[i].idleSince) + Quarantine)
		}
		r.Start = p.since[i]
		b.log.Record(r)
	}
	return p
}

func (b *Blocks) first(i uint32) uint16 { return b.ports.Low + uint16(int(i-1)*b.size) }

func (b *Blocks) index(port uint16) (i uint32, ok bool) {
	n := (int(b.ports.High) - int(b.ports.Low) + 1) / b.size
	at := (int(port) - int(b.ports.Low)) / b.size
	if port < b.ports.Low || at >= n {
		return 0, false
	}
	return uint32(at) + 1, true
}

func (b *Blocks) clock() int64 { return int64(b.now().Sub(b.epoch)) }
