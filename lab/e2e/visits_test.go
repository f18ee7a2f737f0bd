package e2e

import (
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"tandem/lab/house"
	"tandem/lab/servers"
)

// visit is what a server saw of one connection.
type visit struct {
	client string // by what it said
	from   netip.AddrPort
	at     time.Time
}

// visits are all that servers saw.
type visits struct {
	mu   sync.Mutex
	list []visit
}

// noteVisits opens servers, from port on, that read a client's name, note who
// comes from where, say the name back, and stay until the client ends.
func noteVisits(t *testing.T, h *house.House, port, n int) *visits {
	t.Helper()
	v := new(visits)
	for i := range n {
		l, err := h.Listen(house.Server4, port+i)
		if err != nil {
			t.Fatal(err)
		}
		go servers.Each(l, v.note)
	}
	return v
}

func (v *visits) note(c *net.TCPConn) {
	b := make([]byte, 16)
	n, err := c.Read(b)
	if err != nil {
		return
	}
	v.mu.Lock()
	v.list = append(v.list, visit{string(b[:n]), c.RemoteAddr().(*net.TCPAddr).AddrPort(), time.Now()})
	v.mu.Unlock()
	_, _ = c.Write(b[:n])
	_, _ = io.Copy(io.Discard, c)
}

func (v *visits) all() []visit {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.list)
}
