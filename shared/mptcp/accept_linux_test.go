package mptcp

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"
)

// TestAcceptor lets in what comes from one address and turns away the other,
// and stops when it is closed.
func TestAcceptor(t *testing.T) {
	lc := ListenConfig{}
	l, err := lc.Listen(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := NewAcceptor(l)
	if err != nil {
		t.Fatal(err)
	}
	good := netip.MustParseAddr("127.0.0.2")
	admitted := make(chan *os.File)
	ended := make(chan error, 1)
	go func() {
		for {
			fd, remote, err := a.Accept(func(from netip.Addr) bool { return from == good })
			if err != nil {
				ended <- err
				return
			}
			if remote.Addr() != good {
				t.Errorf("let in %s", remote)
			}
			admitted <- os.NewFile(uintptr(fd), "accepted")
		}
	}()
	dial := func(from string) (*net.TCPConn, error) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		d.SetMultipathTCP(false)
		c, err := d.Dial("tcp", a.Addr().String())
		if err != nil {
			return nil, err
		}
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		return c.(*net.TCPConn), nil
	}
	for range 3 {
		for range 100 {
			c, err := dial("127.0.0.3")
			if err == nil { // the reset has not come yet
				_, err = c.Read(make([]byte, 1))
				c.Close()
			}
			if !errors.Is(err, syscall.ECONNRESET) {
				t.Fatalf("turned away with %v", err)
			}
		}
		c, err := dial("127.0.0.2")
		if err != nil {
			t.Fatal(err)
		}
		server := <-admitted
		if _, err := io.WriteString(server, "hello"); err != nil {
			t.Fatal(err)
		}
		server.Close()
		if got, err := io.ReadAll(c); string(got) != "hello" || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
		c.Close()
	}
	a.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestAcceptorPeerGone: a connection that is reset while it waits is no
// connection; the next one is served.
func TestAcceptorPeerGone(t *testing.T) {
	lc := ListenConfig{MPTCP: true}
	l, err := lc.Listen(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := NewAcceptor(l)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	var d net.Dialer
	d.SetMultipathTCP(false)
	for i := range 20 {
		c, err := d.Dial("tcp", a.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if i < 19 {
			_ = c.(*net.TCPConn).SetLinger(0)
			c.Close()
			continue
		}
		defer c.Close()
		if _, err := io.WriteString(c, "here"); err != nil {
			t.Fatal(err)
		}
	}
	for {
		fd, remote, err := a.Accept(func(netip.Addr) bool { return true })
		if err != nil {
			t.Fatal(err)
		}
		if !remote.IsValid() {
			t.Fatal("a connection from nowhere")
		}
		c := os.NewFile(uintptr(fd), "accepted")
		b := make([]byte, 4)
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, err := io.ReadFull(c, b)
		c.Close()
		if n == 4 {
			break
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("%v", err)
		}
	}
}
