package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"tandem/concentrator/clients"
	"tandem/cpe/handshake"
	"tandem/lab/flood"
	"tandem/lab/house"
	"tandem/lab/servers"
	"tandem/shared/control"
	"tandem/shared/credential"
	"tandem/shared/mptcp"
)

// crowd is many clients of one concentrator, without their routers: it speaks
// Convert itself, from an address for each.
type crowd struct {
	house   *house.House
	first   *door // held connections lead through it
	sources []netip.Addr
	next    int
	mu      sync.Mutex
	active  []*net.TCPConn
	idle    []int // bare descriptors: what holds them must not need memory to speak of
	stop    chan struct{}
	running sync.WaitGroup
	closing sync.Once
	lost    atomic.Int32 // chats that ended by themselves
}

// door is a concentrator that the crowd can come to.
type door struct {
	to      netip.AddrPort
	daemon  *house.Daemon
	signers []*credential.Signer // a client each
	held    float64              // processor time in ms a second that others take, see holding
}

// newCrowd makes the clients known to the concentrator of h.
func newCrowd(ctx context.Context, h *house.House, n int) (*crowd, error) {
	if err := flood.Open(ctx, h.Lab); err != nil {
		return nil, err
	}
	for port := range crowdPorts {
		l, err := h.Listen(house.Server4, crowdPort+port)
		if err != nil {
			return nil, err
		}
		go servers.Many(l.(*net.TCPListener))
	}
	c := &crowd{house: h, sources: flood.Sources(n), stop: make(chan struct{})}
	var err error
	c.first, err = c.open(h.Concentrator, house.Concentrator4, "state")
	return c, err
}

// open makes the clients known to a concentrator, whose state is in that folder
// of the house.
func (c *crowd) open(daemon *house.Daemon, address, state string) (*door, error) {
	d := &door{to: netip.AddrPortFrom(netip.MustParseAddr(address), 5124), daemon: daemon}
	store := clients.NewFolder(filepath.Join(c.house.Dir, state, "clients"))
	for i := range c.sources {
		made, err := store.Add(clients.Client{Name: fmt.Sprintf("crowd-%d", i)})
		if err != nil {
			return nil, err
		}
		key := made.Keys[0]
		d.signers = append(d.signers, &credential.Signer{Identity: credential.NewIdentity(key.ID, key.Secret)})
	}
	_, err := control.Call(daemon.Socket, "reload-clients")
	return d, err
}

// close ends all connections.
func (c *crowd) close() {
	c.closing.Do(func() {
		close(c.stop)
		c.running.Wait()
		for _, conn := range c.active {
			_ = mptcp.Reset(conn)
		}
		for _, fd := range c.idle {
			mptcp.Sever(fd)
			unix.Close(fd)
		}
	})
}

// Held connections lead to so many ports of the server, from crowdPort on: a
// port of the concentrator's, which belongs to one client at a time, serves one
// connection to each.
const crowdPort, crowdPorts = 20_000, 16

// dial opens a connection of the next client to a server, and has a byte go
// there and back.
func (c *crowd) dial(ctx context.Context, d *door, port int) (*net.TCPConn, error) {
	c.mu.Lock()
	client := c.next % len(c.sources)
	c.next++
	c.mu.Unlock()
	conn, err := c.dialAs(ctx, d, client, port)
	if errors.Is(err, handshake.ErrWrongTime) { // as a router does: now it knows the time
		conn, err = c.dialAs(ctx, d, client, port)
	}
	return conn, err
}

func (c *crowd) dialAs(ctx context.Context, d *door, client, port int) (*net.TCPConn, error) {
	dst := netip.AddrPortFrom(netip.MustParseAddr(house.Server4), uint16(port))
	signer := d.signers[client]
	request, nonce, err := handshake.AppendConnect(nil, dst, netip.Addr{}, nil, signer)
	if err != nil {
		return nil, err
	}
	dialer := mptcp.Dialer{Source: c.sources[client]}
	var conn *net.TCPConn
	err = c.house.Host("net").Do(func() (err error) {
		conn, err = dialer.Dial(ctx, d.to, append(request, 'x'))
		return err
	})
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	answer, rest, err := handshake.ReadAnswer(conn, make([]byte, handshake.AnswerBuffer), signer, nonce)
	if err == nil {
		err = answer.Err()
	}
	if err == nil && len(rest) == 0 {
		_, err = io.ReadFull(conn, make([]byte, 1))
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, conn.SetDeadline(time.Time{})
}

// greet has each client make one connection: the first use of a key is noted
// in the client's file.
func (c *crowd) greet(ctx context.Context, d *door) error {
	return c.together(len(c.sources), func() error {
		conn, err := c.dial(ctx, d, house.OneBytePort)
		if err == nil {
			conn.Close()
		}
		return err
	})
}

// together calls f n times, some at a time, and stops at errors.
func (c *crowd) together(n int, f func() error) error {
	var wg sync.WaitGroup
	errs := make([]error, 32)
	var left atomic.Int64
	left.Store(int64(n))
	for i := range errs {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for errs[i] == nil && left.Add(-1) >= 0 {
				errs[i] = f()
			}
		}()
	}
	wg.Wait()
	return errors.Join(errs...)
}

// grow holds n connections in all, the first of them active.
func (c *crowd) grow(ctx context.Context, n, active int, say func(string)) error {
	err := c.together(n-c.held(), func() error {
		err := c.hold(ctx, active)
		if held := c.held(); held%5000 == 0 {
			say(fmt.Sprintf("%d connections held", held))
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%d connections: %w", c.held(), err)
	}
	return nil
}

func (c *crowd) held() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.active) + len(c.idle)
}

// hold opens one more connection and lets it chat, if fewer than active do.
func (c *crowd) hold(ctx context.Context, active int) error {
	c.mu.Lock()
	port := crowdPort + (c.next+c.next/len(c.sources))%crowdPorts // a client's: one after the other
	c.mu.Unlock()
	conn, err := c.dial(ctx, c.first, port)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.active) >= active {
		defer conn.Close()
		fd, err := duplicate(conn)
		if err == nil {
			c.idle = append(c.idle, fd)
		}
		return err
	}
	c.active = append(c.active, conn)
	const together = 20 // by one goroutine
	if n := len(c.active); n%together == 0 {
		mine := c.active[n-together : n : n]
		c.running.Add(1)
		go func() { defer c.running.Done(); c.chat(mine) }()
	}
	return nil
}

// chat sends a byte there and back on each connection five times a second.
func (c *crowd) chat(conns []*net.TCPConn) {
	tick := time.NewTicker(200 * time.Millisecond / time.Duration(len(conns)))
	defer tick.Stop()
	for i, b := 0, []byte{'x'}; ; i++ {
		select {
		case <-c.stop:
			return
		case <-tick.C:
		}
		if err := beat(conns[i%len(conns)], b); err != nil {
			c.lost.Add(1)
			return
		}
	}
}

// beat sends a byte there and back.
func beat(conn *net.TCPConn, b []byte) error {
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	_, err := conn.Write(b)
	if err == nil {
		_, err = io.ReadFull(conn, b)
	}
	return err
}

// duplicate returns a second descriptor of a connection, which stays when conn
// is closed.
func duplicate(conn *net.TCPConn) (fd int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return -1, err
	}
	if cerr := raw.Control(func(own uintptr) { fd, err = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0) }); cerr != nil {
		return -1, cerr
	}
	return fd, err
}

// newOnes opens so many connections a second for t, one after the other as
// time goes, whether those before are answered or not, and by turns through
// each of the doors: so they meet the same moods of the machine.
func (c *crowd) newOnes(ctx context.Context, doors []*door, perSecond int, t time.Duration) ([]ScaleRate, error) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failure error
	times, cpu := make([][]float64, len(doors)), make([]float64, len(doors))
	for i, d := range doors {
		cpu[i] = -cpuSeconds(d.daemon.PID())
	}
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	begin := time.Now()
	n := 0
	for ; time.Since(begin) < t; n++ {
		wg.Add(1)
		go func(i int) {
			defer wg.Done()
			start := time.Now()
			conn, err := c.dial(ctx, doors[i], house.OneBytePort)
			took := ms(time.Since(start))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failure = err
				return
			}
			times[i] = append(times[i], took)
			conn.Close()
		}(n % len(doors))
		<-tick.C
	}
	wg.Wait()
	time.Sleep(100 * time.Millisecond) // for the ends
	var rates []ScaleRate
	for i, d := range doors {
		cpu[i] += cpuSeconds(d.daemon.PID()) - d.held/1000*time.Since(begin).Seconds()
		rates = append(rates, ScaleRate{PerSecond: perSecond / len(doors), CPU: cpu[i] / float64(n/len(doors)) * 1e6,
			P50: percentile(times[i], 50), P99: percentile(times[i], 99)})
	}
	return rates, failure
}
