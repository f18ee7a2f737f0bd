package relay

import (
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// pump is one direction of a flow.
type pump struct {
	flow     *Flow
	src, dst *net.TCPConn
	raw      syscall.RawConn
	pacer    Pacer
	bytes    atomic.Int64

	buf *[]byte // borrowed while there is something to move
	n   int
	err error
}

func (p *pump) init(f *Flow, src, dst *net.TCPConn, pacer Pacer) (err error) {
	p.flow, p.src, p.dst, p.pacer = f, src, dst, pacer
	p.raw, err = src.SyscallConn()
	return err
}

// run copies until src ends, then passes that end on.
func (p *pump) run() {
	defer p.flow.ended()
	defer p.release()
	read := p.read // bound once: a method value allocates
	for {
		if err := p.raw.Read(read); err != nil {
			p.err = err
		}
		if p.err == io.EOF {
			if err := p.dst.CloseWrite(); err != nil {
				p.flow.Abort(err)
			}
			return
		}
		if p.err != nil {
			p.flow.Abort(p.err)
			return
		}
		n, err := p.dst.Write((*p.buf)[:p.n])
		p.bytes.Add(int64(n))
		if err != nil {
			p.flow.Abort(err)
			return
		}
		if p.pacer != nil {
			p.pause(p.pacer.Reserve(n))
		}
	}
}

// pause waits as long as the pacer says, or until the flow is aborted.
func (p *pump) pause(d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-p.flow.aborted:
	}
}

// read moves what the socket holds into the buffer. It gives the buffer back
// before it waits, so that an idle direction costs none.
func (p *pump) read(fd uintptr) (done bool) {
	if p.buf == nil {
		p.buf = p.flow.engine.buffers.Get().(*[]byte)
	}
	room := *p.buf
	if p.pacer != nil {
		room = room[:p.pacer.Quantum(len(room))]
	}
	for {
		p.n, p.err = unix.Read(int(fd), room)
		switch {
		case p.err == unix.EINTR:
			continue
		case p.err == unix.EAGAIN:
			p.release()
			return false
		case p.err == nil && p.n == 0:
			p.err = io.EOF
		}
		return true
	}
}

func (p *pump) release() {
	if p.buf != nil {
		p.flow.engine.buffers.Put(p.buf)
		p.buf = nil
	}
}

// wake makes every wait on c return at once, without touching the socket.
func wake(c *net.TCPConn) { _ = c.SetDeadline(time.Unix(1, 0)) }
