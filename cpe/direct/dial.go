// Package direct opens the connection that the LAN host asked for without any
// concentrator: what happens when none is usable.
package direct

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// timeout is as long as a LAN host would wait by itself for a few SYNs.
const timeout = 30 * time.Second

// Dial opens plain TCP to dst along the router's ordinary routes. mark keeps
// the packets out of our own interception.
func Dial(ctx context.Context, dst netip.AddrPort, mark uint32) (*net.TCPConn, error) {
	d := net.Dialer{
		Timeout:         timeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 240 * time.Second, Interval: 30 * time.Second, Count: 4},
		Control: func(_, _ string, raw syscall.RawConn) error {
			var err error
			if e := raw.Control(func(fd uintptr) {
				err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, int(mark))
			}); e != nil {
				return e
			}
			return err
		},
	}
	d.SetMultipathTCP(false)
	c, err := d.DialContext(ctx, "tcp", dst.String())
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}
