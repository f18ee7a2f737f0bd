package uplink

import (
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"tandem/cpe/policy"
	"tandem/shared/order"
)

// readFacts lists the router's own addresses and the networks next to it, for
// which no concentrator is needed.
func readFacts() (f policy.Facts, err error) {
	addrs, err := readAddresses()
	if err != nil {
		return f, err
	}
	for _, a := range addrs {
		ip := a.ip.Unmap()
		f.Local = append(f.Local, ip)
		if a.scope == unix.RT_SCOPE_UNIVERSE && a.length > 0 && a.length < ip.BitLen() {
			f.OnLink = append(f.OnLink, netip.PrefixFrom(ip, a.length).Masked())
		}
	}
	order.Slice(f.Local, func(i, j int) bool { return f.Local[i].Less(f.Local[j]) })
	order.Slice(f.OnLink, func(i, j int) bool { return f.OnLink[i].Addr().Less(f.OnLink[j].Addr()) })
	f.OnLink = slices.Compact(f.OnLink)
	f.Mwan3, err = FindMwan3()
	return f, err
}
