package relay

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"tandem/shared/nocmp"
)

// pump is one direction of a flow.
type pump struct {
	_        nocmp.Field
	flow     *Flow
	src, dst *leg
	pacer    Pacer
	bytes    atomic.Int64

	state    state
	class    uint8   // of the next buffer
	buf      *buffer // nil unless in a turn or stalled
	pipe     *pipe   // instead of buf while there is always more
	from, to int     // what of either is still to be written
	resume   int64   // not to read before, by the pacer

	stream stream
	timer  timer
}

// state is what a pump is waiting for.
type state uint8

const (
	waiting state = iota // for src to have bytes
	asleep               // for its timer
	stalled              // for dst to have room
	queued               // for the others to have had their turn
	holding              // for what it wrote to arrive, before the end is passed on
	ended                // for nothing
)

// fair is how much one direction moves before others get their turn.
const fair = 512 << 10

// turn moves what can be moved now.
func (p *pump) turn(l *loop) {
	if p.state == holding {
		p.end()
		return
	}
	timed := p.state == asleep
	p.state = waiting
	for moved, drained := 0, false; ; {
		if p.from < p.to && !p.flush() {
			return // stalled, or the flow is over
		}
		if p.resume > l.now && !p.paced(l) {
			return
		}
		if drained {
			p.rest(l, moved)
			return
		}
		if moved >= fair {
			if p.pipe == nil {
				p.release()
				p.pipe = l.engine.pipe(p.src)
			}
			p.state = queued
			l.queue = append(l.queue, p)
			return
		}
		n, room, err := p.fill(l)
		switch {
		case err == unix.EAGAIN:
			p.rest(l, moved)
			return
		case err != nil:
			p.flow.finish(err)
			return
		case n == 0:
			p.end()
			return
		}
		moved += n
		p.from, p.to = 0, n
		if p.pacer != nil {
			if pause := p.pacer.Reserve(n); pause > 0 {
				p.resume = now() + int64(pause)
			}
		}
		// Of a direction that looks by the clock, fewer bytes than asked for are
		// all there were. Others must be told EAGAIN, lest an edge be missed.
		drained = timed && p.pipe == nil && n < room
	}
}

// fill reads up to room bytes.
func (p *pump) fill(l *loop) (n, room int, err error) {
	if p.pipe != nil {
		room = p.quantum(largest)
		n, err = splice(p.src.fd, p.pipe.in, room)
		return n, room, err
	}
	b := p.room(l)
	if n, err = p.src.read(b); n > 0 {
		p.resize(n)
	}
	return n, len(b), err
}

// flush writes what was read. It returns false when it cannot write it all.
func (p *pump) flush() bool {
	for p.from < p.to {
		n, err := p.pour()
		if err == unix.EAGAIN {
			p.state, p.dst.full = stalled, true
			p.flow.loop.listen(p.dst)
			return false
		}
		if err != nil {
			p.flow.finish(err)
			return false
		}
		p.from += n
		p.bytes.Add(int64(n))
	}
	return true
}

func (p *pump) pour() (int, error) {
	if p.pipe != nil {
		return splice(p.pipe.out, p.dst.fd, p.to-p.from)
	}
	return p.dst.write(p.buf.bytes[p.from:p.to])
}

// room is where to read to.
func (p *pump) room(l *loop) []byte {
	if p.buf != nil && p.buf.class != p.class {
		p.release()
	}
	if p.buf == nil {
		p.buf = l.engine.buffers.get(p.class)
	}
	return p.buf.bytes[:p.quantum(len(p.buf.bytes))]
}

func (p *pump) quantum(n int) int {
	if p.pacer != nil {
		n = p.pacer.Quantum(n)
	}
	return n
}

// resize chooses the next buffer by what was read into this one.
func (p *pump) resize(n int) {
	switch size := len(p.buf.bytes); {
	case n == size && int(p.class) < len(bufferSizes)-1:
		p.class++
	case n < size/8 && p.class > 0:
		p.class--
	}
}

// paced sleeps as the pacer said, unless that is over already.
func (p *pump) paced(l *loop) (over bool) {
	l.now = now()
	if p.resume <= l.now {
		return true
	}
	p.release()
	l.sleep(p, p.resume)
	return false
}

// rest ends a turn after which nothing is left to read.
func (p *pump) rest(l *loop, moved int) {
	p.release()
	l.now = now()
	if nap := p.stream.nap(l.now, moved, p.opposite().bytes.Load()); nap > 0 && !l.engine.wakeful {
		l.sleep(p, l.now+int64(nap))
		return
	}
	p.state = waiting
	l.listen(p.src)
}

// end passes the end of file on, once that may be.
func (p *pump) end() {
	p.release()
	if p.bytes.Load() > short {
		if pause := p.dst.holdEnd(p.state == holding); pause > 0 {
			p.state = holding
			p.flow.loop.timers.add(p, now()+int64(pause))
			return
		}
	}
	p.state = ended
	f := p.flow
	if p.opposite().state != ended { // else closing does it
		if err := shutdown(p.dst.fd); err != nil {
			f.finish(err)
			return
		}
	}
	f.ended()
}

func (p *pump) opposite() *pump {
	if p == &p.flow.up {
		return &p.flow.down
	}
	return &p.flow.up
}

// stop forgets what the pump was waiting for.
func (p *pump) stop() {
	p.release()
	p.flow.loop.timers.remove(p)
	p.state = ended
}

func (p *pump) release() {
	if p.buf != nil {
		p.flow.loop.engine.buffers.put(p.buf)
		p.buf = nil
	}
	if p.pipe != nil {
		p.flow.loop.engine.closePipe(p.pipe)
		p.pipe = nil
	}
}

// now is a clock that never goes back, in nanoseconds.
func now() int64 { return int64(time.Since(epoch)) }

var epoch = time.Now()
