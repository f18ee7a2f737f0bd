package flood

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	labnet "tandem/lab/net"
)

// Flood says what to send, from where.
type Flood struct {
	Host     *labnet.Host
	Sources  []netip.Addr // see [Open]
	To       netip.AddrPort
	Payload  []byte        // sent on each connection
	Workers  int           // 0: 1
	InAir    int           // connections at a time and worker; 0: 64
	Patience time.Duration // after which a connection that has not ended is given up; 0: 10 s
}

// Result counts connections.
type Result struct {
	Connected int64 // this end has seen the handshake complete
	Ended     int64 // of these, ended by the other side
	GivenUp   int64 // of these, still open when patience or time ended
	Failed    int64 // reset before this end could look, or no answer
	Bytes     int64 // received
	Took      time.Duration
}

// Rate is how many connections were tried in a second.
func (r Result) Rate() float64 { return float64(r.Connected+r.Failed) / r.Took.Seconds() }

func (r Result) String() string {
	return fmt.Sprintf("%d connections in %.1f s (%.0f/s): %d reset at once, %d ended by the other side, %d given up; %d bytes received",
		r.Connected+r.Failed, r.Took.Seconds(), r.Rate(), r.Failed, r.Ended, r.GivenUp, r.Bytes)
}

// Sources returns n addresses of the range for benchmarks (RFC 2544), which
// [Open] gives a host.
func Sources(n int) []netip.Addr {
	list := make([]netip.Addr, n)
	for i := range list {
		list[i] = netip.AddrFrom4([4]byte{198, 18, byte(i / 250), byte(i%250 + 1)})
	}
	return list
}

// Open makes all Sources addresses of the net host, and routes them there.
func Open(ctx context.Context, lab *labnet.Lab) error {
	if _, err := lab.Host("net").Run(ctx, "ip", "route", "add", "local", "198.18.0.0/15", "dev", "lo"); err != nil {
		return err
	}
	_, err := lab.Host("core").Run(ctx, "ip", "route", "add", "198.18.0.0/15", "via", labnet.Server(0).V4.String())
	return err
}

// Run floods until ctx ends or n connections were made (0: no end), and waits
// until each has ended or patience is over.
func (f Flood) Run(ctx context.Context, n int64) (Result, error) {
	var total Result
	var mu sync.Mutex
	var wg sync.WaitGroup
	workers := max(1, f.Workers)
	errs := make([]error, workers)
	begin := time.Now()
	for i := range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			share := n / int64(workers)
			if int64(i) < n%int64(workers) {
				share++
			}
			if n > 0 && share == 0 {
				return
			}
			w := worker{Flood: f, next: i * len(f.Sources) / workers, left: share, endless: n == 0}
			// One system thread for each, in the host's namespace for good.
			errs[i] = f.Host.Do(func() error { return w.run(ctx) })
			mu.Lock()
			defer mu.Unlock()
			total.Connected += w.Connected
			total.Ended += w.Ended
			total.Failed += w.Failed
			total.GivenUp += w.GivenUp
			total.Bytes += w.Bytes
		}()
	}
	wg.Wait()
	total.Took = time.Since(begin)
	return total, errors.Join(errs...)
}

// worker is one thread with its connections.
type worker struct {
	Flood
	Result
	next    int // source
	left    int64
	endless bool

	epoll int
	conns map[int32]*conn
	old   []*conn // in the order they were begun, some ended
}

type conn struct {
	fd        int32
	since     time.Time
	connected bool
	ended     bool
	said      int // bytes, by Slow
}

func (w *worker) run(ctx context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var err error
	if w.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	defer unix.Close(w.epoll)
	w.conns = map[int32]*conn{}
	inAir, patience := w.InAir, w.Patience
	if inAir == 0 {
		inAir = 64
	}
	if patience == 0 {
		patience = 10 * time.Second
	}
	events := make([]unix.EpollEvent, 256)
	for {
		more := ctx.Err() == nil && (w.endless || w.left > 0)
		for more && len(w.conns) < inAir && (w.endless || w.left > 0) {
			if err := w.begin(); err != nil {
				return err
			}
			w.left--
		}
		if !more && (len(w.conns) == 0 || ctx.Err() != nil && w.endless) {
			break
		}
		n, err := unix.EpollWait(w.epoll, events, 20)
		if err != nil && err != unix.EINTR {
			return err
		}
		for _, e := range events[:max(0, n)] {
			w.step(w.conns[e.Fd], e.Events)
		}
		w.giveUp(patience)
	}
	for _, c := range w.conns {
		w.GivenUp++
		w.end(c)
	}
	return nil
}

// begin starts one more connection.
func (w *worker) begin() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	c := &conn{fd: int32(fd), since: time.Now()}
	if len(w.Sources) > 0 {
		src := w.Sources[w.next%len(w.Sources)]
		w.next++
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: src.As4()}); err != nil {
			unix.Close(fd)
			return fmt.Errorf("source %s: %w", src, err)
		}
	}
	// Ended by us, it shall leave nothing behind: ports are needed again.
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	err = unix.Connect(fd, &unix.SockaddrInet4{Addr: w.To.Addr().As4(), Port: int(w.To.Port())})
	if err != nil && err != unix.EINPROGRESS {
		w.Failed++
		unix.Close(fd)
		return nil
	}
	if err := unix.EpollCtl(w.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{
		Events: unix.EPOLLOUT | unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(fd)}); err != nil {
		unix.Close(fd)
		return err
	}
	w.conns[c.fd] = c
	w.old = append(w.old, c)
	return nil
}

// step goes on with a connection.
func (w *worker) step(c *conn, events uint32) {
	if c == nil {
		return
	}
	fd := int(c.fd)
	if !c.connected && events&unix.EPOLLOUT != 0 {
		if errno, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR); errno != 0 {
			w.Failed++
			w.end(c)
			return
		}
		c.connected = true
		w.Connected++
		if len(w.Payload) > 0 {
			_, _ = unix.SendmsgN(fd, w.Payload, nil, nil, unix.MSG_NOSIGNAL) // refused already, maybe
		}
	}
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) == 0 {
		return
	}
	var b [4096]byte
	for {
		n, err := unix.Read(fd, b[:])
		if n > 0 {
			w.Bytes += int64(n)
			continue
		}
		if err == unix.EAGAIN {
			return
		}
		if c.connected {
			w.Ended++
		} else {
			w.Failed++
		}
		w.end(c)
		return
	}
}

func (w *worker) end(c *conn) {
	c.ended = true
	delete(w.conns, c.fd)
	unix.Close(int(c.fd))
}

// giveUp ends connections that have been open for too long.
func (w *worker) giveUp(patience time.Duration) {
	for len(w.old) > 0 && (w.old[0].ended || time.Since(w.old[0].since) > patience) {
		if c := w.old[0]; !c.ended {
			w.GivenUp++
			w.end(c)
		}
		w.old = w.old[1:]
	}
}
