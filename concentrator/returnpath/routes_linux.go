package returnpath

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// Lacks says of which prefixes it is doubtful that what servers send to them
// comes by this host. Whether it does is decided by other routers; but who is
// on the path of a prefix has a route to it.
func Lacks(prefixes []netip.Prefix) (words []string) {
	for _, p := range prefixes {
		routes, err := netlink.RouteGetWithOptions(p.Addr().AsSlice(), &netlink.RouteGetOptions{FIBMatch: true})
		switch {
		case err != nil || len(routes) == 0:
			words = append(words, fmt.Sprintf("this host has no route to %s: does what servers send there come by here?", p))
		case isDefault(routes[0]):
			words = append(words, fmt.Sprintf("%s lies behind this host's default route, as the servers do: then what they send there does not come by here", p))
		}
	}
	return words
}

func isDefault(r netlink.Route) bool {
	if r.Dst == nil {
		return true
	}
	ones, _ := r.Dst.Mask.Size()
	return ones == 0
}
