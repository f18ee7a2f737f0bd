// Package intercept takes over the TCP connections of LAN hosts: nftables
// TPROXY hands their SYNs to a transparent listener, whose accepted sockets
// carry the original destination as their local address.
package intercept

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/tandem-mptcp/tandem/shared/mptcp"
)

// backlog is the number of LAN connections that may wait to be accepted.
const backlog = 4096

// Listen opens the transparent listeners, one per address family; a router
// without IPv6 gets one. They are plain TCP: a LAN host that speaks MPTCP
// falls back to TCP towards us.
func Listen(port uint16, mark uint32) ([]*net.TCPListener, error) {
	cfg := mptcp.ListenConfig{Transparent: true, Mark: mark, Backlog: backlog, V6Only: true}
	var listeners []*net.TCPListener
	for _, any := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		l, err := cfg.Listen(netip.AddrPortFrom(any, port))
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
func Flow(lan *net.TCPConn) (src, dst netip.AddrPort) {
	return addrPort(lan.RemoteAddr()), addrPort(lan.LocalAddr())
}

func addrPort(a net.Addr) netip.AddrPort {
	ap := a.(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
}
