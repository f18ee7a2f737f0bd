package main

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// withBits joins an address and a netmask of the old kind; an address that
// has its length already, or is alone, stays.
func withBits(address, mask string) (string, error) {
	if strings.Contains(address, "/") {
		_, err := netip.ParsePrefix(address)
		return address, err
	}
	a, err := netip.ParseAddr(address)
	if err != nil || mask == "" {
		return address, err
	}
	m := net.ParseIP(mask)
	if m == nil || !a.Is4() {
		return "", fmt.Errorf("%q is no netmask for %q", mask, address)
	}
	ones, bits := net.IPMask(m.To4()).Size()
	if bits == 0 {
		return "", fmt.Errorf("%q is no netmask", mask)
	}
	return fmt.Sprintf("%s/%d", a, ones), nil
}
