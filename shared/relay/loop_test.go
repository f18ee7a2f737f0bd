package relay

import (
	"io"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// A direction that cannot write keeps neither its opposite nor other flows of
// its loop from moving, and what it holds arrives in the end.
func TestStalled(t *testing.T) {
	eachLeg(t, func(t *testing.T, over bool) {
		e := newEngine(t)
		var chains []*chain
		for range 8 { // several to a loop
			chains = append(chains, newChain(t, e, over))
		}
		stuck := chains[0]
		const size = 64 << 20
		written := make(chan error, 1)
		go func() {
			_, err := stuck.client.Write(make([]byte, size))
			_ = stuck.client.CloseWrite()
			written <- err
		}()
		// Nobody reads yet. Once the relay has taken all that it can, it stalls.
		for up, last := int64(0), int64(-1); up == 0 || up != last; {
			last = up
			for _, c := range chains {
				limit(t, c.client, c.server)
				ping(t, c)
			}
			up, _ = stuck.flow.Bytes()
		}
		select {
		case err := <-written:
			t.Fatalf("all %d bytes were taken, %v: nothing stalled", size, err)
		default:
		}
		if got, err := io.Copy(io.Discard, stuck.server); err != nil || got != size {
			t.Errorf("%d bytes, %v; want %d", got, err, size)
		}
		if err := <-written; err != nil {
			t.Error(err)
		}
		for _, c := range chains {
			c.client.Close()
			c.server.Close()
			c.end(t)
		}
	})
}

// ping sends a byte down.
func ping(t *testing.T, c *chain) {
	t.Helper()
	if _, err := c.server.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c.client, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}

// Counters can be read while a flow lives, and in Done, and not later.
func TestSockets(t *testing.T) {
	noLeaks(t)
	e := newEngine(t)
	look := func(f *Flow) (protocols [2]int, err error) {
		for i, c := range []interface {
			Control(func(uintptr)) error
		}{&f.client, &f.server} {
			if cerr := c.Control(func(fd uintptr) {
				protocols[i], err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PROTOCOL)
			}); cerr != nil {
				return protocols, cerr
			}
		}
		return protocols, err
	}
	want := [2]int{unix.IPPROTO_TCP, unix.IPPROTO_MPTCP}
	c := newChain(t, e, true)
	if got, err := look(c.flow); err != nil || got != want {
		t.Errorf("protocols %v, %v; want %v", got, err, want)
	}
	inDone := make(chan [2]int, 1)
	client, a := pair(t, false)
	b, server := pair(t, true)
	f, err := start(e, a, b, Options{Done: func(f *Flow, _ Result) {
		got, _ := look(f)
		inDone <- got
	}})
	if err != nil {
		t.Fatal(err)
	}
	client.Close()
	server.Close()
	if got := <-inDone; got != want {
		t.Errorf("in Done: %v, want %v", got, want)
	}
	c.client.Close()
	c.server.Close()
	c.end(t)
	for e.Active() > 0 {
		runtime.Gosched()
	}
	if _, err := look(f); err == nil {
		t.Error("the sockets of an ended flow can be reached")
	}
}
