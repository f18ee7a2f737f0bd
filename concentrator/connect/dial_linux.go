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
	"os"
	"time"

	"golang.org/x/sys/unix"

	"tandem/concentrator/bindlog"
	"tandem/shared/mptcp"
	"tandem/shared/relay"
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
	// Patience is how long it may take; 0: as long as ctx and the kernel let it.
	Patience time.Duration
	// Soon: bytes follow the handshake, which need not be acknowledged before
	// them: one packet less.
	Soon bool
}

// Dial connects to dst with plain TCP, never MPTCP. It fails with an *Error; when ctx was cancelled, which is no verdict
// on dst, with context.Canceled.
func (d *Dialer) Dial(ctx context.Context, engine *relay.Engine, dst netip.AddrPort) (*relay.Socket, error) {
	dst = netip.AddrPortFrom(dst.Addr().Unmap(), dst.Port())
	queue := errorQueue{v6: dst.Addr().Is6()}
	dialer := mptcp.Dialer{
		Plain: true, Mark: d.Mark, Source: d.Source,
		KeepAlive: net.KeepAliveConfig{Enable: true, Idle: keepIdle, Interval: keepInterval, Count: keepCount},
		Control: func(fd int) error {
			if d.Transparent {
				level, option := unix.SOL_IP, unix.IP_TRANSPARENT
				if queue.v6 {
					level, option = unix.SOL_IPV6, unix.IPV6_TRANSPARENT
				}
				if err := mptcp.SetInt(fd, level, option, 1); err != nil {
					return wrap("setsockopt IP_TRANSPARENT", err)
				}
			}
			if d.Port != 0 {
				if err := bindlog.SetPort(fd, d.Port); err != nil {
					return err
				}
			}
			if d.Soon {
				// No verdict on the connection, so no error: then there is a packet more.
				_ = mptcp.SetInt(fd, unix.SOL_TCP, unix.TCP_QUICKACK, 0)
			}
			return queue.set(fd, 1)
		},
	}
	dialling, err := engine.Begin(ctx, &dialer, dst, nil)
	if err != nil {
		return nil, explain(ctx, err, queue.v6, icmp{}, false)
	}
	if err = d.wait(ctx, dialling); err == nil {
		// From here on an ICMP message is a hint and must not break the connection
		// (RFC 5461), as it would with the queue on.
		err = dialling.Control(func(fd uintptr) error { return queue.set(int(fd), 0) })
	}
	if err != nil {
		var last icmp
		var some bool
		_ = dialling.Control(func(fd uintptr) error { last, some = queue.last(int(fd)); return nil })
		dialling.Abandon()
		return nil, explain(ctx, err, queue.v6, last, some)
	}
	return dialling.Socket(), nil
}

func (d *Dialer) wait(ctx context.Context, dialling *relay.Dialling) error {
	if d.Patience == 0 {
		return dialling.Wait(ctx)
	}
	over, err := dialling.Connected(ctx, d.Patience)
	if !over {
		return os.ErrDeadlineExceeded
	}
	return err
}
