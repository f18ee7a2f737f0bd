package bindlog

import "math/rand/v2"

// pool is the ports of one external address, or its blocks of ports. Each is in
// one state:
//
//	free   nobody's: in free
//	busy   used by at least one flow of its holder: in the holder's busy list
//	idle   its holder's, used by no flow for less than the quarantine: in the
//	       holder's idle list and in quarantine, both the longest idle first
//
// Ports are named by their index here, from 1; 0 is none.
type pool struct {
	ports      []port
	free       []uint32
	quarantine list
	holders    map[string]*holder
	reserve    int // free ports that only new holders get

	// changed, if set, is told when a port becomes a client's or nobody's (false).
	changed func(i uint32, client string, held bool)
}

type port struct {
	holder     *holder
	flows      int32
	idleSince  int64  // ns since the epoch of Ports
	place      uint32 // in free
	own, waits links  // of the holder's list, of quarantine
}

type links struct{ prev, next uint32 }

// list is a list through one of the links of ports.
type list struct{ first, last uint32 }

// holder is a client that has ports.
type holder struct {
	client     string
	owned      int
	idle, busy list
	asked      demand // of blocks
}

func newPool(n int, usable func(i uint32) bool) *pool {
	p := &pool{ports: make([]port, n+1), holders: make(map[string]*holder)}
	for i := uint32(1); i <= uint32(n); i++ {
		if usable(i) {
			p.setFree(i)
		}
	}
	p.reserve = len(p.free) / keep
	return p
}

// expire frees what has been idle since before the given time.
func (p *pool) expire(before int64) {
	for i := p.quarantine.first; i != 0 && p.ports[i].idleSince <= before; i = p.quarantine.first {
		h := p.ports[i].holder
		p.unlink(&p.quarantine, i, waits)
		p.unlink(&h.idle, i, own)
		if p.changed != nil {
			p.changed(i, h.client, false)
		}
		p.ports[i].holder = nil
		if h.owned--; h.owned == 0 {
			delete(p.holders, h.client)
		}
		p.setFree(i)
	}
}

func (p *pool) setFree(i uint32) {
	p.ports[i].place = uint32(len(p.free))
	p.free = append(p.free, i)
}

// unsetFree takes i out of free.
func (p *pool) unsetFree(i uint32) {
	last := p.free[len(p.free)-1]
	p.free[p.ports[i].place] = last
	p.ports[last].place = p.ports[i].place
	p.free = p.free[:len(p.free)-1]
}

// isFree tells ports in free from those that are not usable at all.
func (p *pool) isFree(i uint32) bool {
	at := p.ports[i].place
	return p.ports[i].holder == nil && int(at) < len(p.free) && p.free[at] == i
}

// any returns a free port that cannot be foretold (RFC 6056).
func (p *pool) any() uint32 { return p.free[rand.IntN(len(p.free))] }

// take makes i busy with one more flow of h, whose it is or whose it becomes.
func (p *pool) take(h *holder, i uint32) {
	x := &p.ports[i]
	switch {
	case x.holder == nil:
		p.unsetFree(i)
		x.holder = h
		h.owned++
		p.holders[h.client] = h
		if p.changed != nil {
			p.changed(i, h.client, true)
		}
	case x.flows == 0:
		p.unlink(&p.quarantine, i, waits)
		p.unlink(&h.idle, i, own)
	default:
		p.unlink(&h.busy, i, own) // to the end: sharing goes round
	}
	x.flows++
	p.link(&h.busy, i, own)
}

// release ends one flow on i.
func (p *pool) release(i uint32, now int64) {
	x := &p.ports[i]
	if x.flows--; x.flows > 0 {
		return
	}
	x.idleSince = now
	p.unlink(&x.holder.busy, i, own)
	p.link(&x.holder.idle, i, own)
	p.link(&p.quarantine, i, waits)
}

func own(x *port) *links   { return &x.own }
func waits(x *port) *links { return &x.waits }

func (p *pool) link(l *list, i uint32, of func(*port) *links) {
	*of(&p.ports[i]) = links{prev: l.last}
	if l.last != 0 {
		of(&p.ports[l.last]).next = i
	} else {
		l.first = i
	}
	l.last = i
}

func (p *pool) unlink(l *list, i uint32, of func(*port) *links) {
	x := of(&p.ports[i])
	if x.prev != 0 {
		of(&p.ports[x.prev]).next = x.next
	} else {
		l.first = x.next
	}
	if x.next != 0 {
		of(&p.ports[x.next]).prev = x.prev
	} else {
		l.last = x.prev
	}
	*x = links{}
}
