package labnet

import (
	"fmt"
	"slices"
	"strings"
)

// Topology is what stands between the hosts; docs/lab.md has a drawing of each.
type Topology string

// The topologies.
const (
	// Translated is the default: the cpe translates its LAN's addresses, as home
	// routers do.
	Translated Topology = ""
	// Preserve: the LAN's addresses are routed to the cpe through core, and
	// nothing is translated.
	Preserve Topology = "preserve"
	// Inbound: the lines end in an operator's translator, host "cgn". No one can
	// connect to the cpe.
	Inbound Topology = "inbound"
	// OnPath: the first line ends in a router of its own, host "edge", on whose
	// way to core a concentrator can stand; the others end in core.
	OnPath Topology = "on-path"
)

// topologies are those that can be asked for by name.
var topologies = []Topology{Preserve, Inbound, OnPath}

// ParseTopology reads the name of a topology; empty is [Translated].
func ParseTopology(name string) (Topology, error) {
	if t := Topology(name); t == Translated || slices.Contains(topologies, t) {
		return t, nil
	}
	return "", fmt.Errorf("topology %q: want %s", name, TopologyNames())
}

// TopologyNames lists the names for help texts.
func TopologyNames() string {
	var names []string
	for _, t := range topologies {
		names = append(names, string(t))
	}
	return strings.Join(names, " or ")
}

// hosts of a lab, in the order in which they are shown.
func (s Spec) hosts() []string {
	switch s.Topology {
	case Inbound:
		return []string{"lan", "cpe", "cgn", "core", "net"}
	case OnPath:
		return []string{"lan", "cpe", "edge", "core", "net"}
	}
	return []string{"lan", "cpe", "core", "net"}
}

// lineEnd is the host where a line ends.
func (s Spec) lineEnd(wan string) string {
	switch {
	case s.Topology == Inbound:
		return "cgn"
	case s.Topology == OnPath && wan == s.WANs[0].Name:
		return "edge"
	}
	return "core"
}

// planEdge puts edge between the first line and core.
func planEdge(s Spec, edge, core *hostPlan) {
	core.add("link add edge type veth peer name core netns %s-edge", s.Name)
	core.device("edge", edgeCore, 29)
	edge.device("core", edgeAddress, 29)
	edge.defaultVia("core", edgeCore, "")
	near, _ := WANAddr(s.WANs[0].Name)
	core.add("route add %s via %s%s", near.V4, edgeAddress.V4, core.routes)
	core.add("route add %s via %s%s", near.V6, edgeAddress.V6, core.routes)
	edge.set("ipv4/ip_forward", "1")
	edge.set("ipv6/conf/all/forwarding", "1")
	edge.set("ipv4/tcp_fastopen", "3")
}

// The link between edge and core.
var (
	edgeCore    = dual("198.51.100.241", "2001:db8:b::1")
	edgeAddress = dual("198.51.100.242", "2001:db8:b::2")
)

// Edge returns the address of the router on the first line of an [OnPath] lab;
// all lines lead to it.
func Edge() Dual { return edgeAddress }

// planPreserve routes the LAN to the cpe, over the first line that is up.
func planPreserve(s Spec, core *hostPlan) {
	for _, w := range s.WANs {
		near, _ := WANAddr(w.Name)
		n, _ := wanNumber(w.Name)
		core.add("route add %s via %s dev %s0 metric %d%s", lanPrefix4, near.V4, w.Name, 10*n, core.routes)
		core.add("route add %s via %s dev %s0 metric %d%s", lanPrefix6, near.V6, w.Name, 10*n, core.routes)
	}
}

// planTranslator puts cgn between the lines and core.
func planTranslator(s Spec, cgn, core *hostPlan) {
	core.add("link add cgn type veth peer name core netns %s-cgn", s.Name)
	core.device("cgn", cgnCore, 29)
	cgn.device("core", cgnOutside, 29)
	cgn.defaultVia("core", cgnCore, "")
	cgn.set("ipv4/ip_forward", "1")
	cgn.set("ipv6/conf/all/forwarding", "1")
	cgn.nft = translator
}

// The link between the operator's translator and core.
var (
	cgnCore    = dual("198.51.100.249", "2001:db8:c::1")
	cgnOutside = dual("198.51.100.250", "2001:db8:c::2")
)

// Translator returns the address that all lines of an [Inbound] lab share.
func Translator() Dual { return cgnOutside }

// translator is an operator's address translation: nothing comes in that
// nothing went out for.
const translator = `table inet tandem-lab {
	chain postrouting {
		type nat hook postrouting priority srcnat;
		oifname "core" masquerade
	}
	chain forward {
		type filter hook forward priority filter;
		iifname "core" ct state new drop
	}
}
`
