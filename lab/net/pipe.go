package labnet

import (
	"math"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Direction of a packet on a link.
type Direction int

const (
	Downlink Direction = iota // towards the lan
	Uplink                    // towards net
)

func (d Direction) String() string { return [...]string{"down", "up"}[d] }

// filter sees every packet that enters a link, before loss and queue. It
// returns the packet to go on with, which may be pkt changed in place or cut
// short, or nil to lose it. It must not keep pkt, and is called from two
// threads at once, one for each direction. A link's filters follow from its
// LinkConfig: see filtersOf.
type filter func(d Direction, pkt []byte) []byte

// pipe carries one direction of a link: it reads packets from one TUN device,
// holds them, and writes them to the other. The link's thread drives it.
type pipe struct {
	dir      Direction
	from, to int       // TUN descriptors, non-blocking
	epoch    time.Time // origin of all times

	mu      sync.Mutex // held for one step; guards the rest
	cfg     LinkConfig
	sched   schedule
	held    ring
	stats   Stats
	filters []filter
	capture *capture
}

const (
	// early is how much before its time a packet may be delivered rather
	// than sleep once more.
	early = 20 * time.Microsecond
	// batch bounds the packets read before due ones are sent.
	batch = 128
	// maxHeld bounds the memory of a link without a rate.
	maxHeld = 64 << 20
)

// never is the due time of nothing.
const never = math.MaxInt64

// step reads what there is and sends what is due. It returns how many packets
// it moved, and when the next one is due.
func (p *pipe) step() (moved int, due int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	moved = p.read() + p.send()
	if head := p.held.head(); head != nil {
		return moved, head.due
	}
	return moved, never
}

// read takes packets from the device and places them; it returns how many.
func (p *pipe) read() int {
	now := p.now()
	for n := range batch {
		buf := p.held.spare()
		size, err := unix.Read(p.from, buf)
		if err != nil || size <= 0 {
			return n // EAGAIN; a device that is gone shows in poll
		}
		p.enter(now, buf, size)
	}
	return batch
}

// enter decides about one packet; it is where a packet's way begins.
func (p *pipe) enter(now int64, buf []byte, size int) {
	pkt := buf[:size]
	if isGroupReport(pkt) {
		return // the kernel sends a few by itself; nobody is to count them
	}
	p.stats.sent(pkt)
	switch {
	case p.cfg.Off:
		p.stats.Drops.Off++
		return
	case p.cfg.Blackhole:
		p.stats.Drops.Blackhole++
		return
	}
	for _, f := range p.filters {
		if pkt = f(p.dir, pkt); pkt == nil {
			p.stats.Drops.Filter++
			return
		}
	}
	depart, due, fate := p.sched.enter(now, len(pkt))
	switch {
	case fate == full || p.held.bytes+len(pkt) > maxHeld:
		p.stats.Drops.Queue++
	case fate == lost:
		p.stats.Drops.Loss++
	default:
		p.held.push(packet{depart: depart, due: due, data: pkt})
	}
}

// send delivers the packets whose time has come; it returns how many.
func (p *pipe) send() (n int) {
	now := p.now()
	for head := p.held.head(); head != nil && head.due <= now+int64(early); head = p.held.head() {
		p.stats.late(time.Duration(now - head.due))
		if p.capture != nil {
			p.capture.packet(time.Now(), head.data)
		}
		if _, err := unix.Write(p.to, head.data); err != nil {
			p.stats.Drops.Device++
		} else {
			p.stats.Packets++
			p.stats.Bytes += uint64(len(head.data))
		}
		p.held.pop()
		n++
	}
	return n
}

// configure applies cfg, also to packets that wait in the queue. Those past
// the queue arrive as they would have.
func (p *pipe) configure(cfg LinkConfig) {
	p.mu.Lock()
	defer p.mu.Unlock()
	shape, old := cfg.Up, p.cfg.Up
	if p.dir == Downlink {
		shape, old = cfg.Down, p.cfg.Down
	}
	restart := cfg.Seed != p.cfg.Seed || shape.Loss != old.Loss
	p.sched.configure(shape, cfg.Down.Delay+cfg.Up.Delay, cfg.Seed, uint64(p.dir), restart)
	p.cfg, p.filters = cfg, filtersOf(cfg)
	switch {
	case cfg.Off:
		p.stats.Drops.Off += uint64(p.held.drop())
	case cfg.Blackhole:
		p.stats.Drops.Blackhole += uint64(p.held.drop())
	}
	now, last := p.now(), int64(0)
	p.held.each(func(pkt *packet) {
		if pkt.depart <= now {
			last = pkt.due
		}
	})
	p.sched.rewind(now, last)
	p.held.each(func(pkt *packet) {
		if pkt.depart > now {
			pkt.depart, pkt.due = p.sched.place(now, len(pkt.data))
		}
	})
}

func (p *pipe) snapshot() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.QueueBytes = p.sched.backlog(p.now())
	return s
}

// setCapture sends what is delivered to c, or nowhere if c is nil.
func (p *pipe) setCapture(c *capture) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.capture = c
}

func (p *pipe) now() int64 { return int64(time.Since(p.epoch)) }
