package main

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tandem/shared/credential"
	"tandem/shared/relay"
)

// pair returns both ends of a TCP connection.
func pair(t *testing.T) (near *relay.Socket, far *net.TCPConn) {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if far, err = net.DialTCP("tcp", nil, l.Addr().(*net.TCPAddr)); err != nil {
		t.Fatal(err)
	}
	accepted, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	near = taken(t, accepted)
	t.Cleanup(func() { near.Close(); far.Close() })
	_ = far.SetReadDeadline(time.Now().Add(20 * time.Second))
	return near, far
}

// engine is of all tests.
var engine = relay.NewEngine()

// taken makes a connection of package net a socket of the relay's.
func taken(t *testing.T, c *net.TCPConn) *relay.Socket {
	t.Helper()
	s, err := engine.Take(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestExchangeAgain brings a request a second time, of which more, less or as
// much of the LAN host's bytes was read as of the first one: the server gets
// all of them once, in order.
func TestExchangeAgain(t *testing.T) {
	const said = "what the LAN host said first, and what it said then"
	id, key := credential.NewKey()
	proof := credential.Result{Key: credential.NewIdentity(id, key), Nonce: credential.Nonce{1}}
	for _, tt := range []struct{ first, copy int }{{10, 10}, {10, 25}, {25, 10}, {0, 10}, {10, 0}, {len(said), len(said)}} {
		var e exchanges
		x := e.begin(proof, tt.first)
		server, far := pair(t)
		cpe, cpeFar := pair(t)
		if _, err := io.WriteString(cpeFar, said[tt.copy:]); err != nil {
			t.Fatal(err)
		}
		_ = cpeFar.CloseWrite()
		if _, err := io.WriteString(server, said[:tt.first]); err != nil {
			t.Fatal(err)
		}
		woken := make(chan struct{})
		x.whenAgain(func() { close(woken) })
		again := proof
		again.Copy = 1
		if !e.offer(again, cpe, []byte(said[:tt.copy])) {
			t.Fatal("nobody wants the copy")
		}
		<-woken
		x.whenAgain(nil)
		conn := x.await(context.Background(), 20*time.Second)
		if conn != cpe {
			t.Fatalf("%+v: took %v", tt, conn)
		}
		if err := x.tell(server); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(server, conn); err != nil {
			t.Fatal(err)
		}
		_ = server.CloseWrite()
		if got, err := io.ReadAll(far); string(got) != said || err != nil {
			t.Errorf("%+v: the server got %q, %v", tt, got, err)
		}
		e.end(x)
		if e.offer(proof, cpe, nil) || len(e.open) != 0 {
			t.Error("a copy is taken after the end")
		}
	}
}

// TestExchangeOver: copies that nobody takes are reset, so that their CPE looks
// elsewhere.
func TestExchangeOver(t *testing.T) {
	id, key := credential.NewKey()
	proof := credential.Result{Key: credential.NewIdentity(id, key), Nonce: credential.Nonce{1}}
	var e exchanges
	x := e.begin(proof, 0)
	other := proof
	other.Nonce[0]++
	near, _ := pair(t)
	if e.offer(other, near, nil) {
		t.Error("another request is taken for a copy")
	}
	closed := func(far *net.TCPConn) {
		t.Helper()
		if _, err := far.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("a copy lives on: %v", err)
		}
	}
	var last *net.TCPConn
	for _, n := range []int{2, 3, 0, 1, 3} { // in the order of their arrival
		copied := proof
		copied.Copy = n
		near, far := pair(t)
		if !e.offer(copied, near, nil) {
			t.Fatal("the copy is not taken")
		}
		if n < 3 || last != nil { // overtaken, before or after
			defer closed(far)
			continue
		}
		last = far
	}
	_ = last.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if _, err := last.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the last copy: %v", err)
	}
	_ = last.SetReadDeadline(time.Now().Add(20 * time.Second))
	e.end(x)
	closed(last)
	if conn := x.await(context.Background(), 0); conn != nil {
		t.Error("a copy is left")
	}
	var none *exchange
	if none.await(context.Background(), 0) != nil || none.pending() || none.tell(nil) != nil {
		t.Error("a client without a key has copies")
	}
	e.end(none)
}
