package policy

import (
	"net"
	"net/netip"
	"slices"

	"tandem/cpe/config"
	"tandem/shared/nocmp"
	"tandem/shared/order"
)

// Verdict is what becomes of a flow.
type Verdict uint8

// The verdicts.
const (
	Relay  Verdict = iota // carry it to a concentrator
	Bypass                // connect directly
	Refuse                // reset it
)

// String names a verdict as status and logs do.
func (v Verdict) String() string {
	switch v {
	case Relay:
		return "relay"
	case Bypass:
		return "bypass"
	default:
		return "refuse"
	}
}

// Decision is a verdict and the reason in a few words; where it is Relay, that
// is the rule that says so, if one does.
type Decision struct {
	_       nocmp.Field
	Verdict Verdict
	Reason  string
	Mode    config.Mode // how lines are chosen, where it is Relay
}

// Flow is one intercepted connection.
type Flow struct {
	Src netip.AddrPort // LAN host
	Dst netip.AddrPort // where it wants to go
	SYN *SYN           // nil: not known
}

// SYN is what a flow's first packet shows beyond addresses.
type SYN struct {
	MAC  net.HardwareAddr // of its sender; nil on devices without
	DSCP uint8
}

// Facts is what policy and rules need to know of this router at present.
type Facts struct {
	Mwan3  uint32         // mask of the marks of mwan3, which chooses lines too; 0 where it is not at work
	Local  []netip.Addr   // own addresses on all devices; nft finds these by itself
	OnLink []netip.Prefix // networks of the LAN devices, and others reached without a gateway
}

// Policy decides by one configuration and one state of the router. It never
// changes, so any number of goroutines may use it.
type Policy struct {
	mode          config.Mode
	port          uint16
	local         ranges
	reserved      ranges
	onLink        ranges
	concentrators ranges
	destinations  ranges
	hosts         ranges
	ports         []config.PortRange // ascending
	rules         []rule
	needsSYN      bool
}

// New prepares the lists of c. Bypass by MAC address is left to nftables: a
// socket does not know its peer's.
func New(c *config.Config, f Facts) *Policy {
	p := &Policy{
		mode:         c.Mode,
		port:         c.Port,
		local:        newRanges(hostPrefixes(f.Local)),
		reserved:     newRanges(Reserved()),
		onLink:       newRanges(f.OnLink),
		destinations: newRanges(c.Bypass.Destinations),
		hosts:        newRanges(c.Bypass.Hosts),
		ports:        slices.Clone(c.Bypass.Ports),
		rules:        newRules(c),
	}
	for _, r := range p.rules {
		p.needsSYN = p.needsSYN || len(r.MACs)+len(r.DSCP) > 0
	}
	var own []netip.Addr
	for _, far := range c.Concentrators {
		own = append(own, far.Addresses...)
	}
	p.concentrators = newRanges(hostPrefixes(own))
	order.Slice(p.ports, func(i, j int) bool { return p.ports[i].First < p.ports[j].First })
	return p
}

func hostPrefixes(addrs []netip.Addr) []netip.Prefix {
	all := make([]netip.Prefix, 0, len(addrs))
	for _, a := range addrs {
		a = a.Unmap().WithZone("")
		all = append(all, netip.PrefixFrom(a, a.BitLen()))
	}
	return all
}

// Decide is pure and allocates nothing. IPv4-mapped addresses count as IPv4.
func (p *Policy) Decide(f Flow) Decision {
	src, dst := f.Src.Addr().Unmap().WithZone(""), f.Dst.Addr().Unmap().WithZone("")
	switch {
	case !src.IsValid() || !dst.IsValid() || f.Dst.Port() == 0:
		return Decision{Verdict: Refuse, Reason: "not an address"}
	case f.Dst.Port() == p.port && (p.local.contains(dst) || p.reserved.contains(dst)):
		// The listener was called by its own address. To connect directly, or
		// through a concentrator, would lead back here without end.
		return Decision{Verdict: Refuse, Reason: "the listener itself"}
	case p.local.contains(dst):
		return Decision{Verdict: Bypass, Reason: "own address"}
	case p.reserved.contains(dst):
		return Decision{Verdict: Bypass, Reason: "private or special range"}
	case p.concentrators.contains(dst):
		return Decision{Verdict: Bypass, Reason: "concentrator"}
	case p.onLink.contains(dst):
		return Decision{Verdict: Bypass, Reason: "network on link"}
	case p.bypassesPort(f.Dst.Port()):
		return Decision{Verdict: Bypass, Reason: "port in bypass"}
	case p.hosts.contains(src):
		return Decision{Verdict: Bypass, Reason: "host in bypass"}
	case p.destinations.contains(dst):
		return Decision{Verdict: Bypass, Reason: "destination in bypass"}
	}
	for i := range p.rules {
		if r := &p.rules[i]; r.matches(&f, src, dst) {
			return r.decision
		}
	}
	return Decision{Verdict: Relay, Mode: p.mode}
}

func (p *Policy) bypassesPort(port uint16) bool {
	for _, r := range p.ports {
		if r.First > port {
			return false
		}
		if port <= r.Last {
			return true
		}
	}
	return false
}
