package ruleset

import (
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The policy routing that delivers marked packets to local sockets.
const (
	RoutingTable = 5125
	RulePriority = 5125
)

// Routing says for which families policy routing is in place.
type Routing struct {
	IPv4, IPv6 bool
}

// InstallRouting sends packets marked MarkDeliver to this host, whatever their
// destination: a rule and, in a table of its own, a local default route, for
// each family. It changes nothing that is in place. IPv6 is left out, without
// error, where the kernel has it disabled; the loopback device must be up.
func InstallRouting() (Routing, error) {
	var r Routing
	if err := installFamily(unix.AF_INET); err != nil {
		return r, err
	}
	r.IPv4 = true
	err := installFamily(unix.AF_INET6)
	if err != nil && hasIPv6() {
		return r, err
	}
	r.IPv6 = err == nil
	if err != nil {
		// The rule may stand already while the route was refused.
		_ = removeFamily(unix.AF_INET6)
	}
	return r, nil
}

// RemoveRouting undoes InstallRouting. What is not there is no error.
func RemoveRouting() error {
	return errors.Join(removeFamily(unix.AF_INET), removeFamily(unix.AF_INET6))
}

func installFamily(family int) error {
	route, err := localDefault(family)
	if err != nil {
		return err
	}
	if err := netlink.RouteReplace(route); err != nil {
		return fmt.Errorf("add local route to table %d (%s): %w", RoutingTable, familyName(family), err)
	}
	if err := netlink.RuleAdd(markRule(family)); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("add rule %d (%s): %w", RulePriority, familyName(family), err)
	}
	return nil
}

func removeFamily(family int) error {
	for {
		err := netlink.RuleDel(markRule(family))
		if err == nil {
			continue // a second one, made by hand, goes too
		}
		if absent(err) {
			break
		}
		return fmt.Errorf("delete rule %d (%s): %w", RulePriority, familyName(family), err)
	}
	route, err := localDefault(family)
	if err != nil {
		return err
	}
	if err := netlink.RouteDel(route); err != nil && !absent(err) {
		return fmt.Errorf("delete local route from table %d (%s): %w", RoutingTable, familyName(family), err)
	}
	return nil
}

// absent covers a kernel without IPv6 too.
func absent(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) ||
		errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP)
}

func markRule(family int) *netlink.Rule {
	mask := uint32(MarkMask)
	rule := netlink.NewRule()
	rule.Family = family
	rule.Priority = RulePriority
	rule.Mark = MarkDeliver
	rule.Mask = &mask
	rule.Table = RoutingTable
	return rule
}

func localDefault(family int) (*netlink.Route, error) {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return nil, fmt.Errorf("loopback device: %w", err)
	}
	zero := net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}
	if family == unix.AF_INET6 {
		zero = net.IPNet{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}
	}
	return &netlink.Route{
		Family:    family,
		Type:      unix.RTN_LOCAL,
		Scope:     netlink.SCOPE_HOST,
		Dst:       &zero,
		LinkIndex: lo.Attrs().Index,
		Table:     RoutingTable,
	}, nil
}

// hasIPv6 says whether the kernel speaks IPv6 at all on the loopback device.
func hasIPv6() bool {
	for _, device := range []string{"all", "lo"} {
		text, err := os.ReadFile("/proc/sys/net/ipv6/conf/" + device + "/disable_ipv6")
		if err != nil || len(text) == 0 || text[0] != '0' {
			return false
		}
	}
	return true
}

func familyName(family int) string {
	if family == unix.AF_INET6 {
		return "ipv6"
	}
	return "ipv4"
}
