// Package intercept takes over the TCP connections of LAN hosts: nftables
// TPROXY hands their SYNs to a transparent listener, whose accepted sockets
// carry the original destination as their local address.
package intercept

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"tandem/shared/mptcp"
	"tandem/shared/relay"
)

// backlog is the number of LAN connections that may wait to be accepted.
const backlog = 4096

// KeepAlive finds LAN hosts that went away, without keeping those that sleep
// awake.
var KeepAlive = net.KeepAliveConfig{Enable: true, Idle: 120 * time.Second, Interval: 30 * time.Second, Count: 4}

// Listen opens the transparent listeners, one per address family; a router
// without IPv6 gets one. They are plain TCP: a LAN host that speaks MPTCP
// falls back to TCP towards us.
func Listen(port uint16, mark uint32) ([]*mptcp.Acceptor, error) {
	cfg := mptcp.ListenConfig{Transparent: true, Mark: mark, Backlog: backlog, V6Only: true, KeepAlive: KeepAlive}
	var listeners []*mptcp.Acceptor
	for _, any := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		l, err := cfg.Accept(netip.AddrPortFrom(any, port))
		if any.Is6() && (errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EADDRNOTAVAIL)) {
			continue
		}
		if err != nil {
			for _, l := range listeners {
				l.Close()
			}
			return nil, fmt.Errorf("listen for LAN connections on port %d: %w", port, err)
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

// Flow names the two ends of an intercepted connection.
func Flow(lan *relay.Socket) (src, dst netip.AddrPort) { return lan.Remote(), lan.Local() }
