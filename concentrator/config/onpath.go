package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// OnPath says which Multipath TCP connections that pass this host are taken
// over, whatever their destination.
type OnPath struct {
	Enabled    bool
	Interfaces []string         // devices at which they come in; none: any
	Sources    []netip.Prefix   // addresses that they come from
	Port       uint16           // transparent listener, IPv4 and IPv6
	Announce   []netip.AddrPort // where further subflows are to go, at most one of a family
	// What is left alone.
	LeaveDestinations []netip.Prefix
	LeavePorts        []uint16
	MPTCPServers      MPTCPServers
}

// MPTCPServers says what becomes of connections to servers that speak MPTCP
// themselves.
type MPTCPServers int

// The two treatments.
const (
	MPTCPServersTake  MPTCPServers = iota // taken over as all others
	MPTCPServersLeave                     // left alone as soon as that is known
)

// maxDevice is IFNAMSIZ less the final zero byte.
const maxDevice = 15

func (p *parser) onPath(o *OnPath, in *rawOnPath) {
	set(&o.Enabled, in.Enabled)
	for i, name := range in.Interfaces {
		if name == "" || len(name) > maxDevice || strings.ContainsAny(name, " /\"\\\t\n*") {
			p.add(element("on_path.interfaces", i), "%q is not the name of a network device", clip(name))
			continue
		}
		o.Interfaces = append(o.Interfaces, name)
	}
	o.Sources = p.prefixes("on_path.sources", in.Sources)
	if in.Port != nil {
		p.number16(&o.Port, "on_path.port", *in.Port)
	}
	o.Announce = p.announced("on_path.announce", in.Announce)
	o.LeaveDestinations = p.prefixes("on_path.leave_destinations", in.LeaveDestinations)
	o.LeavePorts = p.ports("on_path.leave_ports", in.LeavePorts)
	choose(p, &o.MPTCPServers, "on_path.mptcp_servers", in.MPTCPServers,
		choice[MPTCPServers]{"take", MPTCPServersTake}, choice[MPTCPServers]{"leave", MPTCPServersLeave})
	if !o.Enabled {
		return
	}
	if len(in.Sources) == 0 {
		p.add("on_path.enabled", "on_path has no credentials: say whose connections are taken over, such as on_path.sources = [\"198.51.100.0/24\"]")
	}
	if len(in.Announce) == 0 {
		p.add("on_path.enabled", "on_path.announce is needed: an address of this host with a port of its own, such as \"203.0.113.1:5128\"")
	}
}

// announced reads addresses with ports that routers open subflows to.
func (p *parser) announced(key string, in []string) (out []netip.AddrPort) {
	for i, s := range in {
		key := element(key, i)
		a, err := netip.ParseAddrPort(s)
		switch {
		case err != nil || a.Port() == 0:
			p.add(key, "%q is not an IP address with a port, such as \"203.0.113.1:5128\"", clip(s))
		case a.Addr().Is4In6() || a.Addr().Zone() != "" || !a.Addr().IsGlobalUnicast():
			p.add(key, "%q cannot be announced: an address is needed that routers reach over their other lines", clip(s))
		case slices.ContainsFunc(out, func(o netip.AddrPort) bool { return o.Addr().Is4() == a.Addr().Is4() }):
			p.add(key, "%q: one address of each family at most", clip(s))
		default:
			out = append(out, a)
		}
	}
	return out
}

// collisions finds ports that two of the daemon's listeners want.
func (p *parser) collisions(c *Config) {
	if !c.OnPath.Enabled {
		return
	}
	taken := map[uint16]string{c.OnPath.Port: "on_path.port"}
	for i, a := range c.Listen {
		key := element("listen", i)
		if other, is := taken[a.Port()]; is {
			p.add(key, "port %d is %s already", a.Port(), other)
		}
		for j, b := range c.OnPath.Announce {
			if a.Port() == b.Port() {
				p.add(element("on_path.announce", j), "port %d is one of \"listen\": the kernel itself listens on an announced port", b.Port())
			}
		}
	}
	for j, b := range c.OnPath.Announce {
		if b.Port() == c.OnPath.Port {
			p.add(element("on_path.announce", j), "port %d is on_path.port already", b.Port())
		}
	}
}

func onPathWarnings(c *Config) (out []string) {
	o := &c.OnPath
	if !o.Enabled {
		return nil
	}
	for _, s := range o.Sources {
		if s.Bits() == 0 && len(o.Interfaces) == 0 {
			out = append(out, fmt.Sprintf("on_path.sources has %s and on_path.interfaces names none: whoever sends packets through this host is taken for a client", s))
		}
	}
	return out
}
