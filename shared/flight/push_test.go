package flight

import (
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// TestPush: a flow is looked after until the kernel has sent all of it.
func TestPush(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	from, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	leg := from.(syscall.Conn)
	s := state{open: true}
	if s.push(leg); s.open {
		t.Error("open, though nothing was written")
	}
	_ = from.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
	n, _ := io.CopyN(from, zeros{}, 64<<20) // more than both ends' buffers hold
	s.open = true
	for range 3 {
		if s.push(leg); !s.open || s.unsent == 0 {
			t.Fatalf("not open, with %d unsent bytes of %d that nobody reads", s.unsent, n)
		}
	}
	_ = to.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.CopyN(io.Discard, to, n); err != nil {
		t.Fatal(err)
	}
	if s.push(leg); s.open {
		t.Error("open, though all was read")
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }
