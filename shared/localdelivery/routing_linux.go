// Package localdelivery makes the kernel hand packets with a mark to sockets of
// this host, whatever their destination: one policy routing rule and, in a table
// of its own, one local default route, for each IP family. What marks them is
// nftables' business.
package localdelivery

import (
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Delivery names the mark, and what is made for it.
type Delivery struct {
	Table    int
	Priority int // of the rule
	Mark     uint32
	Mask     uint32 // bits of a packet's mark that are looked at
}

// Families says for which IP families it is in place.
type Families struct {
	IPv4, IPv6 bool
}

// Install makes rules and routes. It changes nothing that is in place. IPv6 is
// left out, without error, where the kernel has it disabled; the loopback device
// must be up.
func (d Delivery) Install() (Families, error) {
	var r Families
	if err := d.installFamily(unix.AF_INET); err != nil {
		return r, err
	}
	r.IPv4 = true
	err := d.installFamily(unix.AF_INET6)
	if err != nil && hasIPv6() {
		return r, err
	}
	r.IPv6 = err == nil
	if err != nil {
		// The rule may stand already while the route was refused.
		_ = d.removeFamily(unix.AF_INET6)
	}
	return r, nil
}

// Remove undoes Install. What is not there is no error.
func (d Delivery) Remove() error {
	return errors.Join(d.removeFamily(unix.AF_INET), d.removeFamily(unix.AF_INET6))
}

func (d Delivery) installFamily(family int) error {
	if err := request(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, d.localDefault(family)); err != nil {
		return fmt.Errorf("add local route to table %d (%s): %w", d.Table, familyName(family), err)
	}
	if err := request(unix.RTM_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, d.markRule(family)); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("add rule %d (%s): %w", d.Priority, familyName(family), err)
	}
	return nil
}

func (d Delivery) removeFamily(family int) error {
	for {
		err := request(unix.RTM_DELRULE, 0, d.markRule(family))
		if err == nil {
			continue // a second one, made by hand, goes too
		}
		if absent(err) {
			break
		}
		return fmt.Errorf("delete rule %d (%s): %w", d.Priority, familyName(family), err)
	}
	if err := request(unix.RTM_DELROUTE, 0, d.localDefault(family)); err != nil && !absent(err) {
		return fmt.Errorf("delete local route from table %d (%s): %w", d.Table, familyName(family), err)
	}
	return nil
}

// absent covers a kernel without IPv6 too.
func absent(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) ||
		errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP)
}

// request sends one change. netlink's own RouteReplace and RuleAdd know every
// kind of route and rule, which is 70 kB of a router's program.
func request(command, flags int, parts []nl.NetlinkRequestData) error {
	r := nl.NewNetlinkRequest(command, flags|unix.NLM_F_ACK)
	for _, p := range parts {
		r.AddData(p)
	}
	_, err := r.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

// markRule is: packets with our mark, look in our table.
func (d Delivery) markRule(family int) []nl.NetlinkRequestData {
	return []nl.NetlinkRequestData{
		&nl.RtMsg{RtMsg: unix.RtMsg{Family: uint8(family), Type: unix.FR_ACT_TO_TBL, Table: unix.RT_TABLE_UNSPEC}},
		nl.NewRtAttr(unix.FRA_PRIORITY, nl.Uint32Attr(uint32(d.Priority))),
		nl.NewRtAttr(unix.FRA_FWMARK, nl.Uint32Attr(d.Mark)),
		nl.NewRtAttr(unix.FRA_FWMASK, nl.Uint32Attr(d.Mask)),
		nl.NewRtAttr(unix.FRA_TABLE, nl.Uint32Attr(uint32(d.Table))),
	}
}

// localDefault is our table's only route: everything is for this host.
func (d Delivery) localDefault(family int) []nl.NetlinkRequestData {
	return []nl.NetlinkRequestData{
		&nl.RtMsg{RtMsg: unix.RtMsg{
			Family: uint8(family), Table: unix.RT_TABLE_UNSPEC,
			Type: unix.RTN_LOCAL, Scope: unix.RT_SCOPE_HOST, Protocol: unix.RTPROT_BOOT,
		}},
		nl.NewRtAttr(unix.RTA_TABLE, nl.Uint32Attr(uint32(d.Table))),
		nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(loopback)),
	}
}

// loopback is the index of the loopback device in every network namespace.
const loopback = 1

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
