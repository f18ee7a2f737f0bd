// Package connect opens the plain TCP connection to the server and, where that
// fails, finds out what a client must be told (RFC 8803 section 6.2.8).
//
// Reading order: sources.go (from which address), dial_linux.go, queue_linux.go
// (the ICMP message behind a failure), error_linux.go (failure to Convert
// Error), own.go.
package connect

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-mptcp/tandem/concentrator/bindlog"
)

// How an idle connection is kept, and a dead one found: after 60 s of silence
// a probe, then one each 15 s, dead after 6 without an answer (150 s in all).
const (
	keepIdle     = 60 * time.Second
	keepInterval = 15 * time.Second
	keepCount    = 6
)

// Dialer dials servers. The zero value lets the kernel choose everything.
type Dialer struct {
	Mark   uint32     // SO_MARK, which needs CAP_NET_ADMIN; 0: none
	Source netip.Addr // address to dial from; not valid: the kernel chooses
	Port   uint16     // port to dial from; 0: the kernel chooses
	// Transparent: Source need not be this host's (IP_TRANSPARENT, which needs
	// CAP_NET_ADMIN). What is sent there must be led to this host's sockets.
	Transparent bool
}

// Dial connects to dst with plain TCP, never MPTCP. The time it may take is
// ctx's. It fails with an *Error; when ctx was cancelled, which is no verdict
// on dst, with context.Canceled.
func (d *Dialer) Dial(ctx context.Context, dst netip.AddrPort) (*net.TCPConn, error) {
	dst = netip.AddrPortFrom(dst.Addr().Unmap(), dst.Port())
	v6 := dst.Addr().Is6()
	var queue errorQueue
	defer queue.close()
	dialer := net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: keepIdle, Interval: keepInterval, Count: keepCount},
		Control: func(_, _ string, c syscall.RawConn) error {
			var err error
			if cerr := c.Control(func(fd uintptr) { err = d.prepare(int(fd), v6, &queue) }); cerr != nil {
				return cerr
			}
			return err
		},
	}
	dialer.SetMultipathTCP(false)
	if d.Source.IsValid() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(d.Source, 0))
	}
	c, err := dialer.DialContext(ctx, "tcp", dst.String())
	if err != nil {
		return nil, explain(ctx, err, v6, &queue)
	}
	// From here on an ICMP message is a hint and must not break the connection
	// (RFC 5461), as it would with the queue on.
	if err := queue.off(); err != nil {
		c.Close()
		return nil, explain(ctx, err, v6, &queue)
	}
	return c.(*net.TCPConn), nil
}

// prepare runs between socket(2) and bind(2).
func (d *Dialer) prepare(fd int, v6 bool, queue *errorQueue) error {
	if d.Mark != 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(d.Mark)); err != nil {
			return wrap("setsockopt SO_MARK", err)
		}
	}
	if d.Source.IsValid() {
		// Leave the port to connect(2), which can use one for many servers. It is
		// an option of level IP for IPv6 sockets too.
		if err := unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
			return wrap("setsockopt IP_BIND_ADDRESS_NO_PORT", err)
		}
	}
	if d.Transparent {
		level, option := unix.SOL_IP, unix.IP_TRANSPARENT
		if v6 {
			level, option = unix.SOL_IPV6, unix.IPV6_TRANSPARENT
		}
		if err := unix.SetsockoptInt(fd, level, option, 1); err != nil {
			return wrap("setsockopt IP_TRANSPARENT", err)
		}
	}
	if d.Port != 0 {
		if err := bindlog.SetPort(fd, d.Port); err != nil {
			return err
		}
	}
	return queue.open(fd, v6)
}
