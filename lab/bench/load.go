package bench

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"tandem/lab/house"
	"tandem/lab/servers"
)

// Ports of the servers that only benchmarks use.
const (
	sourcePort = 9001 // sends for ever
	sinkPort   = 9002 // takes everything
	steadyPort = 9003 // sends at a steady rate
)

// servedPorts are all that rivals must carry.
var servedPorts = []int{house.HTTPPort, house.EchoPort, house.OneBytePort, sourcePort, sinkPort, steadyPort}

// load is what LAN hosts and servers do to each other.
type load struct {
	house     *house.House
	listeners []net.Listener
	taken     atomic.Int64 // bytes that sinks got
}

func newLoad(h *house.House) (*load, error) {
	l := &load{house: h}
	for port, handle := range map[int]func(*net.TCPConn){sourcePort: pour, sinkPort: l.drain, steadyPort: pourSteadily} {
		listener, err := h.Listen(house.Server4, port)
		if err != nil {
			return nil, err
		}
		l.listeners = append(l.listeners, listener)
		go servers.Each(listener, handle)
	}
	return l, nil
}

func (l *load) close() {
	for _, listener := range l.listeners {
		listener.Close()
	}
}

const pieceSize = 256 << 10

func pour(c *net.TCPConn) {
	for buf := make([]byte, pieceSize); ; {
		if _, err := c.Write(buf); err != nil {
			return
		}
	}
}

// steadyRate is what lines of 50 and 100 Mbit/s carry.
const steadyRate = 150e6 / 8

// pourSteadily sends at steadyRate, in pieces as packets come.
func pourSteadily(c *net.TCPConn) {
	const step = 250 * time.Microsecond
	buf := make([]byte, 64<<10)
	begin, sent := time.Now(), 0
	for {
		due := min(int(time.Since(begin).Seconds()*steadyRate)-sent, len(buf))
		if due > 0 {
			if _, err := c.Write(buf[:due]); err != nil {
				return
			}
			sent += due
		}
		time.Sleep(step)
	}
}

func (l *load) drain(c *net.TCPConn) {
	for buf := make([]byte, pieceSize); ; {
		n, err := c.Read(buf)
		l.taken.Add(int64(n))
		if err != nil {
			return
		}
	}
}

// settle waits until nothing arrives any more: what one measurement has left
// in buffers must not be counted by the next.
func (l *load) settle() {
	const still = 50 * time.Millisecond
	before := l.taken.Load()
	for range int(5 * time.Second / still) {
		time.Sleep(still)
		now := l.taken.Load()
		if now == before {
			return
		}
		before = now
	}
}

// sample is one measurement of bulk. Nothing may have come through in time.
type sample struct {
	Gbit float64 // per second
	// CPU seconds per GB at the rival's ends.
	CPU [2]float64
}

// bulk runs n flows through a rival and measures for d once they have run for
// warm.
func (f *field) bulk(ctx context.Context, r *rival, n int, up bool, warm, d time.Duration) (s sample, err error) {
	var wg sync.WaitGroup
	var conns []*net.TCPConn
	defer func() {
		for _, c := range conns {
			_ = c.SetLinger(0) // what is under way is dropped, not delivered
			c.Close()
		}
		wg.Wait()
		f.load.settle()
	}()
	port, work := sourcePort, f.load.drain
	if up {
		port, work = sinkPort, pour
	}
	// All at once: the first ones leave later SYNs little room.
	dialled := make([]*net.TCPConn, n)
	errs := make([]error, n)
	var dialling sync.WaitGroup
	for i := range n {
		dialling.Add(1)
		go func() { defer dialling.Done(); dialled[i], errs[i] = f.dial(ctx, r, port) }()
	}
	dialling.Wait()
	for _, c := range dialled {
		if c != nil {
			conns = append(conns, c)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return s, err
	}
	for _, c := range conns {
		wg.Add(1)
		go func() { defer wg.Done(); work(c) }()
	}
	time.Sleep(warm)
	begin, bytes, cpu := time.Now(), f.load.taken.Load(), f.cpu(r)
	time.Sleep(d)
	moved := f.load.taken.Load() - bytes
	if moved == 0 {
		return s, nil
	}
	gb := float64(moved) / 1e9
	s.Gbit = gb * 8 / time.Since(begin).Seconds()
	for i, now := range f.cpu(r) {
		s.CPU[i] = (now - cpu[i]) / gb
	}
	return s, nil
}

func (f *field) cpu(r *rival) (seconds [2]float64) {
	for i, pid := range pids(r) {
		seconds[i] = cpuSeconds(pid)
	}
	return seconds
}

// pingPong sends a byte and waits for it, over and over for d, and returns
// the round trips in ms.
func pingPong(c net.Conn, d time.Duration) (times []float64, err error) {
	b := []byte{'x'}
	for end := time.Now().Add(d); ; {
		begin := time.Now()
		if begin.After(end) {
			return times, nil
		}
		if _, err := c.Write(b); err != nil {
			return times, err
		}
		if _, err := io.ReadFull(c, b); err != nil {
			return times, err
		}
		times = append(times, ms(time.Since(begin)))
		time.Sleep(2 * time.Millisecond)
	}
}
