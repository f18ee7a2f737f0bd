package boot

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

// scan tries every TCP port from outside: the Convert port answers, and
// nothing else, not even with a refusal.
func scan(t *testing.T, h *house) {
	t.Helper()
	var (
		mu            sync.Mutex
		open, refused []int
		wg            sync.WaitGroup
	)
	ports := make(chan int)
	addr := netip.MustParseAddr("198.51.100.2")
	for range 2000 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			_ = h.cpe.do(func() error {
				for port := range ports {
					begin := time.Now()
					ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
					d := net.Dialer{}
					d.SetMultipathTCP(false)
					c, err := d.DialContext(ctx, "tcp", netip.AddrPortFrom(addr, uint16(port)).String())
					cancel()
					mu.Lock()
					if err == nil {
						c.Close()
						open = append(open, port)
					} else if time.Since(begin) < 2*time.Second {
						refused = append(refused, port)
					}
					mu.Unlock()
				}
				return nil
			})
		}()
	}
	for port := 1; port <= 65535; port++ {
		ports <- port
	}
	close(ports)
	wg.Wait()
	if !slices.Equal(open, []int{5124}) {
		t.Errorf("open ports: %v, want 5124 only", open)
	}
	if len(refused) > 0 {
		t.Errorf("%d ports answer that they are closed, such as %d", len(refused), refused[0])
	}
}
