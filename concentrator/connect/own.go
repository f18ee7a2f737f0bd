package connect

import (
	"fmt"
	"net"
	"net/netip"
)

// Own returns the addresses of this host's interfaces, which clients must not
// reach through it. An address that a provider translates to this host's is
// not among them.
func Own() ([]netip.Addr, error) {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("own addresses: %w", err)
	}
	var own []netip.Addr
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok {
			if addr, ok := netip.AddrFromSlice(n.IP); ok {
				own = append(own, addr.Unmap())
			}
		}
	}
	return own, nil
}
