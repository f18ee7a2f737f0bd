package e2e

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"tandem/lab/house"
)

// TestLineLostBehindTheEnd takes the only line that is in use away from transfers
// whose sender is done already, while much of what it sent is still in the
// daemons' buffers: all of it arrives. The end itself may get lost within the round
// trip in which it travels alone (docs/kernel-notes.md, 3.2).
func TestLineLostBehindTheEnd(t *testing.T) {
	for name, lose := range losses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := build(t, inMode("failover"))
			ready(t, h)
			l, err := h.Host("net").Listen("tcp", net.JoinHostPort(house.Server4, "7777"))
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			const each, size = 10, 600_000
			down, up := make(chan net.Conn, 2*each), make(chan net.Conn, 2*each)
			for i := range 2 * each {
				lan := dial(t, h, house.Server4, 7777)
				if _, err := lan.Write([]byte("!")); err != nil {
					t.Fatal(err)
				}
				server, err := acceptTCP(l)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { server.Close() })
				if _, err := io.ReadFull(server, make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
				from, to, arrivals := server, lan, down
				if i%2 == 1 {
					from, to, arrivals = lan, server, up
				}
				go func() {
					_, _ = from.Write(make([]byte, size))
					_ = from.CloseWrite()
				}()
				arrivals <- to
			}
			close(down)
			close(up)
			var wg sync.WaitGroup
			var mu sync.Mutex
			arrived, cut := 0, 0
			begin := time.Now()
			receive := func(way string, c net.Conn) {
				defer wg.Done()
				_ = c.SetReadDeadline(begin.Add(30 * time.Second))
				n, err := io.Copy(io.Discard, c)
				if n != size {
					t.Errorf("%s: %d of %d bytes after %v: %v", way, n, size, time.Since(begin).Round(time.Millisecond), err)
				}
				mu.Lock()
				defer mu.Unlock()
				if arrived++; n == size && err != nil {
					cut++
				}
			}
			for c := range down {
				wg.Add(1)
				go receive("down", c)
			}
			for c := range up {
				wg.Add(1)
				go receive("up", c)
			}
			time.Sleep(300 * time.Millisecond) // of the transfers, which take a second and more
			mu.Lock()
			before := arrived
			mu.Unlock()
			if err := lose(h.Link("dsl"), true); err != nil {
				t.Fatal(err)
			}
			wg.Wait()
			t.Logf("%d had arrived before, all %d after %v; %d lost their end only", before, arrived, time.Since(begin).Round(time.Millisecond), cut)
			if cut > each/2 {
				t.Errorf("%d of %d lost their end", cut, arrived)
			}
		})
	}
}
