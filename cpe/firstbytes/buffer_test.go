package firstbytes

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"tandem/shared/relay"
)

func pair(t *testing.T) (near *relay.Socket, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	a, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	engine := relay.NewEngine()
	t.Cleanup(engine.Close)
	if near, err = engine.Take(a.(*net.TCPConn)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); near.Close() })
	return near, c.(*net.TCPConn)
}

func TestWaitAndWith(t *testing.T) {
	near, far := pair(t)
	b := New()
	defer b.Release()
	if err := b.Wait(near, time.Millisecond); err != nil || len(b.Bytes()) != 0 || b.EOF {
		t.Fatalf("silence: %q, end %v, %v", b.Bytes(), b.EOF, err)
	}
	if err := b.Take(near); err != nil || len(b.Bytes()) != 0 || b.EOF {
		t.Fatalf("taking from silence: %q, end %v, %v", b.Bytes(), b.EOF, err)
	}
	if _, err := io.WriteString(far, "hello"); err != nil {
		t.Fatal(err)
	}
	if err := b.Wait(near, 10*time.Second); err != nil || string(b.Bytes()) != "hello" {
		t.Fatalf("waited for %q, %v", b.Bytes(), err)
	}
	for _, request := range []string{"", "head ", string(bytes.Repeat([]byte{1}, headroom))} {
		if got := b.With([]byte(request)); string(got) != request+"hello" {
			t.Errorf("With(%d bytes) = %q", len(request), got)
		}
	}
	_ = far.CloseWrite()
	if err := b.Wait(near, 10*time.Second); err != nil || !b.EOF || string(b.Bytes()) != "hello" {
		t.Fatalf("at the end: %q, end %v, %v", b.Bytes(), b.EOF, err)
	}
	// The connection has no deadline left over.
	if _, err := near.Write([]byte("x")); err != nil {
		t.Error(err)
	}
}

func TestTakeIsBounded(t *testing.T) {
	near, far := pair(t)
	go func() { _, _ = far.Write(make([]byte, 3*capacity)); far.Close() }()
	b := New()
	defer b.Release()
	for len(b.Bytes()) < capacity {
		if err := b.Wait(near, 10*time.Second); err != nil || b.EOF {
			t.Fatalf("after %d bytes: end %v, %v", len(b.Bytes()), b.EOF, err)
		}
	}
	if err := b.Take(near); err != nil || len(b.Bytes()) != capacity {
		t.Errorf("a full buffer took more: %d bytes, %v", len(b.Bytes()), err)
	}
	rest, err := io.ReadAll(near)
	if err != nil || len(rest) != 2*capacity {
		t.Errorf("%d bytes left for the relay, %v; want %d", len(rest), err, 2*capacity)
	}
}
