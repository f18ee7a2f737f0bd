package labnet

import (
	"fmt"
	"net/netip"
	"strconv"
)

// Dual is one place's IPv4 and IPv6 address.
type Dual struct{ V4, V6 netip.Addr }

// All documentation ranges: private ones are never intercepted by a cpe.
var (
	lanGateway = dual("192.0.2.1", "2001:db8:1::1")
	netGateway = dual("203.0.113.1", "2001:db8:f::1")
)

// The lan's prefixes.
var (
	lanPrefix4 = netip.MustParsePrefix("192.0.2.0/24")
	lanPrefix6 = netip.MustParsePrefix("2001:db8:1::/64")
)

// hostAddresses is how many addresses the lan and the net host have.
const hostAddresses = 10

// LAN returns address i (0 to 9) of the lan host: 192.0.2.10+i and
// 2001:db8:1::10+i (the last digit is i).
func LAN(i int) Dual { return hostAddress("192.0.2.1%d", "2001:db8:1::1%d", i) }

// Server returns address i (0 to 9) of the net host: 203.0.113.10+i and
// 2001:db8:f::10+i (the last digit is i).
func Server(i int) Dual { return hostAddress("203.0.113.1%d", "2001:db8:f::1%d", i) }

// Gateway returns the cpe's addresses on the LAN.
func Gateway() Dual { return lanGateway }

// Concentrator returns the addresses of core towards net, where the
// concentrator listens. Both WANs lead there.
func Concentrator() Dual { return netGateway }

// WANAddr returns the addresses of a WAN's two ends: at the cpe and at core.
// It panics for a name that [Spec] does not know.
func WANAddr(wan string) (cpe, core Dual) {
	n, ok := wanNumber(wan)
	if !ok {
		panic(fmt.Sprintf("labnet: unknown wan %q", wan))
	}
	base, net6 := 8*n, fmt.Sprintf("a%d", n)
	switch wan {
	case "dsl":
		base, net6 = 0, "d"
	case "lte":
		base, net6 = 128, "e"
	}
	at := func(end int) Dual {
		return dual(fmt.Sprintf("198.51.100.%d", base+end), fmt.Sprintf("2001:db8:%s::%d", net6, end))
	}
	return at(2), at(1)
}

// wanNumber numbers the possible WANs from 1; table, metric and priority
// follow from it.
func wanNumber(name string) (int, bool) {
	switch name {
	case "dsl":
		return 1, true
	case "lte":
		return 2, true
	}
	if len(name) != 4 || name[:3] != "wan" {
		return 0, false
	}
	n, err := strconv.Atoi(name[3:])
	return n, err == nil && n >= 3 && n <= MaxWANs
}

func hostAddress(v4, v6 string, i int) Dual {
	if i < 0 || i >= hostAddresses {
		panic(fmt.Sprintf("labnet: address %d of %d", i, hostAddresses))
	}
	return dual(fmt.Sprintf(v4, i), fmt.Sprintf(v6, i))
}

func dual(v4, v6 string) Dual {
	return Dual{netip.MustParseAddr(v4), netip.MustParseAddr(v6)}
}
