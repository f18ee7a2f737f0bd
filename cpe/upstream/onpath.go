package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tandem/cpe/config"
	"tandem/cpe/uplink"
	"tandem/shared/mptcp"
	"tandem/shared/relay"
)

// A concentrator on the path is not asked for anything: connections to servers
// are opened as MPTCP over the line on whose way it stands, and it takes them
// over there. Whether it did is not said either. What comes back as plain TCP
// went to its server by itself; where an announced address was taken up, the
// connection was taken over.

// onPath counts what became of connections.
type onPath struct {
	taken, passed, row atomic.Int64 // row: passed since one was not
}

// OnPathCounts is what became of connections to servers.
type OnPathCounts struct {
	Taken  int64 `json:"taken"`  // seen to be taken over: an address was announced and taken up
	Passed int64 `json:"passed"` // plain TCP: they went to their server by themselves
}

// OnPathCounts returns the counters since start.
func (c *Converter) OnPathCounts() OnPathCounts {
	return OnPathCounts{c.onPath.taken.Load(), c.onPath.passed.Load()}
}

// suspicious is how many connections in a row must pass: some servers may be
// left alone.
const suspicious = 8

// Absent says why a concentrator that answers seems not to be on the path; empty
// if it does not.
func (c *Converter) Absent() string {
	row := c.onPath.row.Load()
	if !c.OnPath || row < suspicious {
		return ""
	}
	return fmt.Sprintf("it answers, but the last %d connections were not taken over: is it on the way of the primary line, and does it take this router's address?", row)
}

// errElsewhere says that connections would not pass the concentrator now.
var errElsewhere = errors.New("the primary line, on whose way it stands, is down")

// PlanServer plans a connection to a server, which is to pass the concentrator:
// only the primary line leads there.
func (c *Converter) PlanServer(server netip.AddrPort, mode config.Mode) (*Attempt, error) {
	line, ok := uplink.First(c.lines(), server.Addr(), config.Bond)
	if !ok || line.Role != config.Primary {
		return nil, errElsewhere
	}
	a := c.over(line, server, Plain)
	a.Mode = mode
	return a, nil
}

// OpenServer connects, and tells whether by MPTCP. Where the answer does not
// come, or comes by plain TCP, the concentrator is asked whether it still works.
func (a *Attempt) OpenServer(ctx context.Context) (conn *relay.Socket, isMPTCP bool, err error) {
	c := a.converter
	within, cancel := context.WithTimeout(ctx, max(c.timeout, 3*c.roundTrip(a.Line)))
	defer cancel()
	conn, err = a.converter.Engine.Dial(within, &a.dialer, a.to, nil)
	if err == nil {
		isMPTCP, err = mptcp.IsMPTCP(conn)
		if err != nil {
			_ = conn.Reset()
		}
	}
	switch {
	case isMPTCP:
		c.onPath.row.Store(0)
		return conn, true, nil
	case err == nil:
		c.onPath.passed.Add(1)
		c.onPath.row.Add(1)
	case errors.Is(err, unix.ECONNREFUSED): // the server's word
		return nil, false, err
	}
	if time.Since(c.Heard()) > verifyAgain {
		go c.Verify(context.WithoutCancel(ctx))
	}
	return conn, false, err
}

// verifyAgain is for how long a concentrator that answered is not asked again.
const verifyAgain = time.Second

// Carried looks at a connection that ends.
func (a *Attempt) Carried(conn syscall.Conn) {
	if !a.converter.OnPath {
		return
	}
	if info, err := mptcp.Inspect(conn); err == nil && info.AddAddrAccepted > 0 {
		a.converter.onPath.taken.Add(1)
	}
}
