package relay

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"tandem/shared/mptcp"
)

// chain is client ── a ▸ flow ◂ b ── server, over real sockets.
type chain struct {
	client, server *net.TCPConn
	flow           *Flow
	result         chan Result
}

func newEngine(t *testing.T) *Engine {
	e := NewEngine()
	t.Cleanup(e.Close)
	return e
}

// newChain makes the relay's outward leg MPTCP when asked to, as it is in the
// product, and plain TCP otherwise.
func newChain(t *testing.T, e *Engine, overMPTCP bool) *chain {
	t.Helper()
	return newPacedChain(t, e, overMPTCP, Options{})
}

func newPacedChain(t *testing.T, e *Engine, overMPTCP bool, o Options) *chain {
	t.Helper()
	client, a := pair(t, false)
	b, server := pair(t, overMPTCP)
	c := &chain{client: client, server: server, result: make(chan Result, 1)}
	var err error
	told := o.Done
	o.Done = func(f *Flow, r Result) {
		if told != nil {
			told(f, r)
		}
		c.result <- r
	}
	c.flow, err = start(e, a, b, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return c
}

func pair(t *testing.T, overMPTCP bool) (dialled, accepted *net.TCPConn) {
	t.Helper()
	dialled, accepted, err := connect(overMPTCP)
	if err != nil {
		t.Fatal(err)
	}
	return dialled, accepted
}

func connect(overMPTCP bool) (dialled, accepted *net.TCPConn, err error) {
	cfg := mptcp.ListenConfig{MPTCP: overMPTCP}
	l, err := cfg.Listen(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	to := l.Addr().(*net.TCPAddr).AddrPort()
	if overMPTCP {
		dialled, err = (&mptcp.Dialer{}).Dial(context.Background(), to, nil)
	} else {
		dialled, err = net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(to))
	}
	if err != nil {
		return nil, nil, err
	}
	accepted, err = l.AcceptTCP()
	return dialled, accepted, err
}

// limit makes a test that hangs fail with a stack instead.
func limit(t *testing.T, conns ...*net.TCPConn) {
	t.Helper()
	for _, c := range conns {
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	}
}

func (c *chain) end(t *testing.T) Result {
	t.Helper()
	select {
	case r := <-c.result:
		return r
	case <-time.After(20 * time.Second):
		t.Fatal("the flow did not end")
		return Result{}
	}
}

func eachLeg(t *testing.T, test func(t *testing.T, overMPTCP bool)) {
	for name, over := range map[string]bool{"tcp": false, "mptcp": true} {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			test(t, over)
		})
	}
}

func TestBothDirectionsWhole(t *testing.T) {
	eachLeg(t, func(t *testing.T, over bool) {
		c := newChain(t, newEngine(t), over)
		limit(t, c.client, c.server)
		const size = 32 << 20
		send := func(to *net.TCPConn, seed uint64) (sum [32]byte) {
			data := make([]byte, size)
			_, _ = rand.NewChaCha8([32]byte{byte(seed)}).Read(data)
			if _, err := to.Write(data); err != nil {
				t.Errorf("write: %v", err)
			}
			if err := to.CloseWrite(); err != nil {
				t.Errorf("close: %v", err)
			}
			return sha256.Sum256(data)
		}
		receive := func(from *net.TCPConn) (sum [32]byte) {
			h := sha256.New()
			if _, err := io.Copy(h, from); err != nil {
				t.Errorf("read: %v", err)
			}
			return [32]byte(h.Sum(nil))
		}
		sent := make(chan [32]byte, 2)
		got := make(chan [32]byte, 2)
		go func() { sent <- send(c.client, 1) }()
		go func() { got <- receive(c.server) }()
		if up := receive2(t, got, sent); !up {
			t.Error("upstream bytes differ")
		}
		go func() { sent <- send(c.server, 2) }()
		go func() { got <- receive(c.client) }()
		if down := receive2(t, got, sent); !down {
			t.Error("downstream bytes differ")
		}
		if r := c.end(t); r.Err != nil || r.Up != size || r.Down != size {
			t.Errorf("result %+v, want %d bytes each way and no error", r, size)
		}
	})
}

func receive2(t *testing.T, a, b chan [32]byte) bool {
	t.Helper()
	x, y := <-a, <-b
	return x == y
}

func TestHalfClose(t *testing.T) {
	eachLeg(t, func(t *testing.T, over bool) {
		c := newChain(t, newEngine(t), over)
		limit(t, c.client, c.server)
		if _, err := c.client.Write([]byte("request")); err != nil {
			t.Fatal(err)
		}
		_ = c.client.CloseWrite()
		if got, err := io.ReadAll(c.server); err != nil || string(got) != "request" {
			t.Fatalf("server read %q, %v", got, err)
		}
		// The other direction still lives, long after.
		answer := bytes.Repeat([]byte("answer "), 1<<18)
		go func() { _, _ = c.server.Write(answer); c.server.Close() }()
		if got, err := io.ReadAll(c.client); err != nil || !bytes.Equal(got, answer) {
			t.Fatalf("client read %d bytes, %v; want %d", len(got), err, len(answer))
		}
		if r := c.end(t); r.Err != nil {
			t.Errorf("result %+v", r)
		}
	})
}

func TestNothingSaid(t *testing.T) {
	eachLeg(t, func(t *testing.T, over bool) {
		c := newChain(t, newEngine(t), over)
		limit(t, c.client, c.server)
		c.client.Close()
		if got, err := io.ReadAll(c.server); err != nil || len(got) != 0 {
			t.Fatalf("server read %q, %v", got, err)
		}
		c.server.Close()
		if r := c.end(t); r != (Result{}) {
			t.Errorf("result %+v, want zero", r)
		}
	})
}

func TestResetPassesOn(t *testing.T) {
	eachLeg(t, func(t *testing.T, over bool) {
		for name, ends := range map[string]func(*chain) (resets, sees *net.TCPConn){
			"from client": func(c *chain) (_, _ *net.TCPConn) { return c.client, c.server },
			"from server": func(c *chain) (_, _ *net.TCPConn) { return c.server, c.client },
		} {
			t.Run(name, func(t *testing.T) {
				c := newChain(t, newEngine(t), over)
				limit(t, c.client, c.server)
				if _, err := c.client.Write([]byte("x")); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(c.server, make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
				resets, sees := ends(c)
				if err := mptcp.Reset(resets); err != nil {
					t.Fatal(err)
				}
				if _, err := sees.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("the other end reads %v, want a reset", err)
				}
				if r := c.end(t); r.Err == nil {
					t.Error("result has no error")
				}
			})
		}
	})
}

func TestAbort(t *testing.T) {
	eachLeg(t, func(t *testing.T, over bool) {
		c := newChain(t, newEngine(t), over)
		limit(t, c.client, c.server)
		cause := errors.New("drained")
		c.flow.Abort(cause)
		for _, end := range []*net.TCPConn{c.client, c.server} {
			if _, err := end.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("read %v, want a reset", err)
			}
		}
		if r := c.end(t); r.Err != cause {
			t.Errorf("result %+v, want error %v", r, cause)
		}
	})
}

func TestDrain(t *testing.T) {
	noLeaks(t)
	e := newEngine(t)
	a, b := newChain(t, e, false), newChain(t, e, true)
	limit(t, a.client, a.server, b.client, b.server)
	if got := e.Active(); got != 2 {
		t.Fatalf("%d active, want 2", got)
	}
	ctx, cancel := context.WithCancel(context.Background())
	aborted := make(chan int)
	go func() { aborted <- e.Drain(ctx) }()
	a.client.Close()
	a.server.Close()
	a.end(t)
	for deadline := time.Now().Add(20 * time.Second); e.Active() > 1; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d active, want 1", e.Active())
		}
	}
	cancel()
	if got := <-aborted; got != 1 {
		t.Errorf("aborted %d flows, want 1", got)
	}
	if got := e.Active(); got != 0 {
		t.Errorf("%d active after draining", got)
	}
	if got := e.Drain(context.Background()); got != 0 {
		t.Errorf("draining nothing aborted %d", got)
	}
}

// noLeaks compares goroutines and descriptors with what they were before.
func noLeaks(t *testing.T) {
	t.Helper()
	// The runtime's own poller opens descriptors at the first use of a socket.
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		l.Close()
	}
	count := func() (goroutines, fds int) {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return runtime.NumGoroutine(), len(entries)
	}
	g0, f0 := count()
	t.Cleanup(func() {
		deadline := time.Now().Add(10 * time.Second)
		for {
			g, f := count()
			if g <= g0 && f <= f0 {
				return
			}
			if time.Now().After(deadline) {
				buf := make([]byte, 1<<16)
				t.Errorf("%d goroutines and %d descriptors, before %d and %d\n%s", g, f, g0, f0, buf[:runtime.Stack(buf, true)])
				return
			}
			runtime.Gosched()
		}
	})
}

// start joins two connections of package net.
func start(e *Engine, client, server *net.TCPConn, o Options) (*Flow, error) {
	a, err := e.Take(client)
	if err != nil {
		return nil, err
	}
	b, err := e.Take(server)
	if err != nil {
		return nil, err
	}
	return e.Start(a, b, o)
}
