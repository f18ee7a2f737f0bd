package uplink

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"tandem/cpe/config"
	"tandem/cpe/ruleset"
)

// routed tells whether a line has a route to a concentrator from an address of
// its own. An address comes before its routes, and what is tried in between
// fails for good: a subflow that no route leads on is not made again by the
// kernel, and IPv4 takes a destination without one, on a device that was asked
// for, to be next to it (ip_route_output_key_hash_rcu).
//
// Where the kernel cannot say, the answer is yes; so it is for IPv4 on a device that
// has nobody but its peer at the other end, since that takes everything.
func routed(w WAN, to []config.Concentrator) bool {
	asked := false
	for _, c := range to {
		for _, dst := range c.Addresses {
			src, ok := w.Source(dst)
			if !ok {
				continue
			}
			if w.pointToPoint && dst.Is4() || leadsOn(w.Index, src, dst.Unmap()) {
				return true
			}
			asked = true
		}
	}
	return !asked
}

// leadsOn asks for the route from src, and for one from anywhere: with a source,
// IPv6 prefers a better route over another device, which it does not for a socket
// that is bound to its own (ip6_route_output_flags).
func leadsOn(device int, src, dst netip.Addr) bool {
	for _, src := range []netip.Addr{src, {}} {
		over, err := findRoute(device, src, dst)
		if err != nil && !noRoute(err) || err == nil && over == device {
			return true
		}
	}
	return false
}

// BySource tells whether what leaves from the line's address to dst takes the
// line, also where the sender does not ask for its device. Where the kernel
// cannot say, the answer is yes.
func (w WAN) BySource(dst netip.Addr) bool {
	src, ok := w.Source(dst)
	if !ok || w.Index == 0 {
		return true
	}
	over, err := findRoute(0, src, dst.Unmap())
	return err != nil && !noRoute(err) || err == nil && over == w.Index
}

func noRoute(err error) bool {
	return errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH) || errors.Is(err, unix.EINVAL)
}

// findRoute returns the device of the entry of a routing table that a packet of
// ours from src, or any address, to dst would follow if device is preferred.
func findRoute(device int, src, dst netip.Addr) (over int, err error) {
	family := unix.AF_INET6
	if dst.Is4() {
		family = unix.AF_INET
	}
	about := nl.NewRtMsg()
	about.Family, about.Dst_len = uint8(family), uint8(dst.BitLen())
	about.Table, about.Protocol, about.Scope, about.Type = 0, 0, 0, 0
	about.Flags = unix.RTM_F_FIB_MATCH
	r := nl.NewNetlinkRequest(unix.RTM_GETROUTE, 0)
	r.AddData(about)
	r.AddData(nl.NewRtAttr(unix.RTA_DST, dst.AsSlice()))
	if src.IsValid() {
		about.Src_len = uint8(src.BitLen())
		r.AddData(nl.NewRtAttr(unix.RTA_SRC, src.AsSlice()))
	}
	r.AddData(nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(uint32(device))))
	r.AddData(nl.NewRtAttr(unix.RTA_MARK, nl.Uint32Attr(ruleset.MarkOwn)))
	answers, err := r.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWROUTE)
	if err != nil || len(answers) == 0 || len(answers[0]) < unix.SizeofRtMsg {
		return 0, err
	}
	attrs, err := nl.ParseRouteAttr(answers[0][unix.SizeofRtMsg:])
	for _, a := range attrs {
		if a.Attr.Type == unix.RTA_OIF && len(a.Value) == 4 {
			over = int(binary.NativeEndian.Uint32(a.Value))
		}
	}
	return over, err
}
