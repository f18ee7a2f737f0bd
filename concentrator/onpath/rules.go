package onpath

import (
	"fmt"
	"net/netip"
	"strings"

	"tandem/shared/localdelivery"
)

// Mark is on packets that go to our sockets. Other bits belong to others.
const Mark = 0x10000000

// Delivery is the policy routing that brings them there.
func Delivery() localdelivery.Delivery {
	return localdelivery.Delivery{Table: 5127, Priority: 513, Mark: Mark, Mask: Mark}
}

// Rules says which connections are taken over.
type Rules struct {
	Port       uint16         // of the transparent listener
	Interfaces []string       // at which they come in; none: any
	Sources    []netip.Prefix // that they come from
	LeavePorts []uint16
	// Leave comes first, then Allow, then Reserved: the first that has a
	// destination decides. What none has is taken.
	Leave, Allow, Reserved []netip.Prefix
}

// Render returns the text of table inet tandem-on-path. Unless taking, the
// connections that were taken over live on and no more are.
func (r Rules) Render(taking bool) string {
	var b strings.Builder
	b.WriteString("table inet tandem-on-path\ndelete table inet tandem-on-path\ntable inet tandem-on-path {\n\tcounter taken { }\n\n")
	prefixes := []struct {
		name string
		list []netip.Prefix
	}{{"source", r.Sources}, {"leave", r.Leave}, {"allow", r.Allow}, {"reserved", r.Reserved}}
	for _, ip := range families {
		for _, p := range prefixes {
			writeSet(&b, p.name+ip.number, "type "+ip.addr+"; flags interval; auto-merge", ofFamily(p.list, ip))
		}
		// The elements are added while the daemon runs (Leave).
		writeSet(&b, "speaker"+ip.number, "type "+ip.addr+" . inet_service; flags timeout; timeout "+remember.String()+"; size 65536", nil)
	}
	var ports []string
	for _, p := range r.LeavePorts {
		ports = append(ports, fmt.Sprint(p))
	}
	writeSet(&b, "leave_port", "type inet_service; flags interval; auto-merge", ports)

	b.WriteString(`	chain prerouting {
		type filter hook prerouting priority mangle; policy accept;
		meta l4proto != tcp return
		tcp flags & (fin | syn | rst | ack) == syn tcp option mptcp subtype 0 goto opening
		socket wildcard 1 return
`)
	fmt.Fprintf(&b, "\t\tsocket transparent 1 %s accept\n\t}\n\n\tchain opening {\n", setMark)
	if taking {
		r.writeOpening(&b)
	}
	b.WriteString("\t}\n\n")
	// Nobody connects to the listener by itself: it would dial itself.
	fmt.Fprintf(&b, `	chain input {
		type filter hook input priority filter; policy accept;
		tcp dport %d tcp flags & (fin | syn | rst | ack) == syn meta mark & %#x == 0 reject with tcp reset
	}
}
`, r.Port, Mark)
	return b.String()
}

func (r Rules) writeOpening(b *strings.Builder) {
	if len(r.Interfaces) > 0 {
		fmt.Fprintf(b, "\t\tiifname != { \"%s\" } return\n", strings.Join(r.Interfaces, `", "`))
	}
	b.WriteString("\t\tfib daddr type { local, broadcast, anycast, multicast } return\n\t\ttcp dport @leave_port return\n")
	for _, ip := range families {
		fmt.Fprintf(b, "\t\t%[1]s daddr @leave%[2]s return\n\t\t%[1]s daddr . tcp dport @speaker%[2]s return\n"+
			"\t\t%[1]s daddr @allow%[2]s goto taking\n\t\t%[1]s daddr @reserved%[2]s return\n", ip.keyword, ip.number)
	}
	b.WriteString("\t\tgoto taking\n\t}\n\n\tchain taking {\n")
	for _, ip := range families {
		// The mark stands behind tproxy: with the listener gone the rule ends
		// there, and the packet is routed.
		fmt.Fprintf(b, "\t\t%[1]s saddr @source%[2]s meta l4proto tcp tproxy %[1]s to :%[3]d %[4]s counter name taken accept\n",
			ip.keyword, ip.number, r.Port, setMark)
	}
}

// setMark leaves the bits of others alone.
var setMark = fmt.Sprintf("meta mark set meta mark | %#x", Mark)

// family is how nft names an IP version.
type family struct{ number, keyword, addr string }

var families = []family{{"4", "ip", "ipv4_addr"}, {"6", "ip6", "ipv6_addr"}}

func ofFamily(list []netip.Prefix, ip family) (texts []string) {
	for _, p := range list {
		if p.Addr().Is4() == (ip.number == "4") {
			texts = append(texts, p.String())
		}
	}
	return texts
}

func writeSet(b *strings.Builder, name, typ string, elements []string) {
	fmt.Fprintf(b, "\tset %s {\n\t\t%s\n", name, strings.ReplaceAll(typ, "; ", "\n\t\t"))
	if len(elements) > 0 {
		fmt.Fprintf(b, "\t\telements = { %s }\n", strings.Join(elements, ", "))
	}
	b.WriteString("\t}\n\n")
}

// renderSpeaker adds a server that is left alone for as long as remember says.
func renderSpeaker(s netip.AddrPort) string {
	number := "6"
	if s.Addr().Is4() {
		number = "4"
	}
	return fmt.Sprintf("add element inet tandem-on-path speaker%s { %s . %d }\n", number, s.Addr(), s.Port())
}
