package labnet

import (
	"fmt"
	"net/netip"
	"slices"
)

// hostPlan is all that makes a host of a namespace, as text, in the order it
// is applied.
type hostPlan struct {
	sysctl [][2]string // path below /proc/sys/net, value
	tun    []string    // devices to create
	ip     string      // commands for ip -batch
	ip6    string      // the same for ip -6 -batch, after those
	routes string      // appended to each route
	nft    string      // ruleset for nft -f
}

// plan works out the hosts of a completed, named spec. allowed are the
// congestion controls that a namespace may have as default. It is pure.
func plan(s Spec, allowed []string) map[string]*hostPlan {
	hosts := map[string]*hostPlan{}
	for _, h := range s.hosts() {
		hosts[h] = &hostPlan{sysctl: slices.Clone(baseSysctls), ip: "link set lo up\n"}
		hosts[h].congestion(s.congestion(h), allowed)
	}
	lan, cpe, core, net := hosts["lan"], hosts["cpe"], hosts["core"], hosts["net"]

	cpe.add("link add lan type veth peer name eth0 netns %s-lan", s.Name)
	cpe.device("lan", lanGateway, 24)
	lan.device("eth0", LAN(0), 24)
	lan.defaultVia("eth0", lanGateway, "")
	for i := 1; i < hostAddresses; i++ {
		lan.address("eth0", LAN(i), 24)
	}

	if s.ServerLink != nil {
		core.tun, net.tun = append(core.tun, "net"), append(net.tun, "eth0")
	} else {
		core.add("link add net type veth peer name eth0 netns %s-net", s.Name)
	}
	core.device("net", netGateway, 24)
	net.device("eth0", Server(0), 24)
	net.defaultVia("eth0", netGateway, "")
	for i := 1; i < hostAddresses; i++ {
		net.address("eth0", Server(i), 24)
	}

	for _, w := range s.WANs {
		planWAN(s, w.Name, cpe, hosts[s.lineEnd(w.Name)])
	}
	cpe.nft = masquerade
	switch s.Topology {
	case Preserve:
		cpe.nft = ""
		planPreserve(s, core)
	case Inbound:
		planTranslator(s, hosts["cgn"], core)
	case OnPath:
		planEdge(s, hosts["edge"], core)
	}
	for _, router := range []*hostPlan{cpe, core} {
		router.set("ipv4/ip_forward", "1")
		router.set("ipv6/conf/all/forwarding", "1")
	}
	core.set("ipv4/tcp_fastopen", "3") // client and server
	return hosts
}

// planWAN connects cpe and the lines' other end by one WAN. Packets with the WAN's own source
// address leave by it; all others leave by the first WAN that is up.
func planWAN(s Spec, name string, cpe, end *hostPlan) {
	far := name + "0"
	near, gateway := WANAddr(name)
	if s.PlainWANs {
		cpe.add("link add %s type veth peer name %s netns %s-%s", name, far, s.Name, s.lineEnd(name))
	} else {
		cpe.tun, end.tun = append(cpe.tun, name), append(end.tun, far)
	}
	cpe.device(name, near, 30)
	end.device(far, gateway, 30)
	n, _ := wanNumber(name)
	cpe.defaultVia(name, gateway, fmt.Sprintf(" metric %d", 10*n))
	cpe.defaultVia(name, gateway, fmt.Sprintf(" table %d", 100+n))
	cpe.add("rule add from %s lookup %d priority %d", near.V4, 100+n, 1000+n)
	cpe.ip6 += fmt.Sprintf("rule add from %s lookup %d priority %d\n", near.V6, 100+n, 1000+n)
}

// masquerade is the cpe's address translation, as home routers have it in
// IPv4; in IPv6 too, so that core needs no route back.
const masquerade = `table inet tandem-lab {
	chain postrouting {
		type nat hook postrouting priority srcnat;
		oifname "lan" accept
		ip saddr 192.0.2.0/24 masquerade
		ip6 saddr 2001:db8:1::/64 masquerade
	}
}
`

var baseSysctls = [][2]string{
	// Addresses are usable at once, and nothing asks for more.
	{"ipv6/conf/all/disable_ipv6", "0"},
	{"ipv6/conf/default/disable_ipv6", "0"},
	{"ipv6/conf/all/accept_dad", "0"},
	{"ipv6/conf/default/accept_dad", "0"},
	{"ipv6/conf/default/dad_transmits", "0"},
	{"ipv6/conf/default/accept_ra", "0"},
	{"ipv6/conf/default/router_solicitations", "0"},
	{"ipv6/conf/default/keep_addr_on_down", "1"},
	{"ipv6/conf/default/addr_gen_mode", "1"}, // no link-local address on a TUN
	{"ipv4/conf/all/rp_filter", "2"},         // loose: there are two WANs
	{"ipv4/conf/default/rp_filter", "2"},
	// 32 MiB: 100 Mbit/s over 200 ms with a queue as deep, and room.
	{"ipv4/tcp_rmem", "4096 131072 33554432"},
	{"ipv4/tcp_wmem", "4096 65536 33554432"},
	// One measurement must not depend on the one before.
	{"ipv4/tcp_no_metrics_save", "1"},
	// Every refused packet is told so; the default is one a second.
	{"ipv4/icmp_ratelimit", "0"},
	{"ipv6/icmp/ratelimit", "0"},
}

func (h *hostPlan) set(key, value string) {
	h.sysctl = append(h.sysctl, [2]string{key, value})
}

// congestion makes name the host's congestion control. The kernel lets a
// namespace have only those as default that are "allowed" machine-wide; any
// other one is put on every route, which overrides what a program asked for
// before it connects, but not after.
func (h *hostPlan) congestion(name string, allowed []string) {
	switch {
	case name == "":
	case slices.Contains(allowed, name):
		h.set("ipv4/tcp_congestion_control", name)
	default:
		h.routes = " congctl " + name
	}
}

func (h *hostPlan) add(format string, args ...any) {
	h.ip += fmt.Sprintf(format, args...) + "\n"
}

// device brings dev up with an address. Queues of devices are long, so that
// only a link's own queue drops.
func (h *hostPlan) device(dev string, a Dual, bits int) {
	if !slices.Contains(h.tun, dev) {
		// Routers ask for neighbours from a link-local address only.
		h.add("link set %s addrgenmode eui64", dev)
	}
	h.add("link set %s mtu %d txqueuelen 20000 up", dev, mtu)
	h.address(dev, a, bits)
	if h.routes != "" {
		h.add("route replace %s dev %s proto kernel scope link src %s%s", netip.PrefixFrom(a.V4, bits).Masked(), dev, a.V4, h.routes)
		h.add("route replace %s dev %s proto kernel metric 256%s", netip.PrefixFrom(a.V6, 64).Masked(), dev, h.routes)
	}
}

func (h *hostPlan) address(dev string, a Dual, bits int) {
	h.add("addr add %s/%d dev %s", a.V4, bits, dev)
	h.add("addr add %s/64 dev %s nodad", a.V6, dev)
}

func (h *hostPlan) defaultVia(dev string, gateway Dual, more string) {
	h.add("route add default via %s dev %s%s%s", gateway.V4, dev, more, h.routes)
	h.add("route add default via %s dev %s%s%s", gateway.V6, dev, more, h.routes)
}
