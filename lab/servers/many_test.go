package servers

import (
	"io"
	"net"
	"testing"
	"time"
)

// Many serves connections side by side, and one that ends hinders no other.
func TestMany(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go Many(l.(*net.TCPListener))
	var conns []net.Conn
	for range 100 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		conns = append(conns, c)
	}
	conns[0].Close()
	for i, c := range conns[1:] {
		got := make([]byte, 5)
		if _, err := io.WriteString(c, "hello"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, got); err != nil || string(got) != "hello" {
			t.Errorf("connection %d: %q, %v", i, got, err)
		}
	}
}
