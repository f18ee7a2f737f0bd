package service

import (
	"net"
	"net/netip"

	"github.com/coreos/go-systemd/v22/activation"

	"tandem/shared/mptcp"
)

// Inherited returns the listeners that systemd has opened for us, set up as lc
// says. They belong to the socket unit: connections that come while no daemon
// runs wait there. It works once, and returns nothing without a socket unit.
func Inherited(lc mptcp.ListenConfig) ([]*net.TCPListener, error) {
	var all []*net.TCPListener
	var first error
	for _, file := range activation.Files(true) {
		if first == nil {
			l, err := lc.Adopt(file)
			if err != nil {
				first = err
			} else {
				all = append(all, l)
			}
		}
		file.Close()
	}
	if first != nil {
		for _, l := range all {
			l.Close()
		}
		return nil, first
	}
	return all, nil
}

// Missing returns the addresses of want on which none of have listens.
func Missing(want []netip.AddrPort, have []*net.TCPListener) (missing []netip.AddrPort) {
	for _, addr := range want {
		if !listens(addr, have) {
			missing = append(missing, addr)
		}
	}
	return missing
}

// Surplus returns the addresses of have that want does not name.
func Surplus(want []netip.AddrPort, have []*net.TCPListener) (surplus []netip.AddrPort) {
	for _, l := range have {
		addr := addressOf(l)
		named := false
		for _, w := range want {
			named = named || w == addr
		}
		if !named {
			surplus = append(surplus, addr)
		}
	}
	return surplus
}

func listens(addr netip.AddrPort, have []*net.TCPListener) bool {
	for _, l := range have {
		if addressOf(l) == addr {
			return true
		}
	}
	return false
}

func addressOf(l *net.TCPListener) netip.AddrPort {
	a := l.Addr().(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
