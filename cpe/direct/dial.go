// Package direct opens the connection that the LAN host asked for without any
// concentrator: what happens when none is usable.
package direct

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/tandem-mptcp/tandem/shared/mptcp"
)

// timeout is as long as a LAN host would wait by itself for a few SYNs.
const timeout = 30 * time.Second

// Dial opens plain TCP to dst along the router's ordinary routes. mark keeps
// the packets out of our own interception. (net.Dialer could do it too, but
// would bring the DNS resolver into the router's program, 0.2 MB.)
func Dial(ctx context.Context, dst netip.AddrPort, mark uint32) (*net.TCPConn, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	d := mptcp.Dialer{
		Plain:     true,
		Mark:      mark,
		KeepAlive: net.KeepAliveConfig{Enable: true, Idle: 240 * time.Second, Interval: 30 * time.Second, Count: 4},
	}
	return d.Dial(ctx, dst, nil)
}
