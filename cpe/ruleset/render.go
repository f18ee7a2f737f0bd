package ruleset

import (
	"fmt"
	"strings"

	"tandem/cpe/config"
	"tandem/cpe/policy"
)

// Marks on packets and sockets. Other bits belong to other programs.
const (
	MarkMask    = 0x30000000
	MarkDeliver = 0x10000000 // to the local transparent listener
	MarkOwn     = 0x20000000 // sent by a Tandem daemon itself
)

// Mode is what the rules do with new connections.
type Mode uint8

// The modes.
const (
	Intercept  Mode = iota // hand new connections to the listener
	Drain                  // serve accepted connections only; new ones are routed
	Hold                   // ask the program at queue number c.Port first
	HoldByRule             // the same; the caller adds the rule that queues (AddQueueRule)
)

// Render returns the text of table inet tandem, to be applied with NFT.Apply.
// The same arguments always give the same text. LAN devices need not exist.
func Render(c *config.Config, f policy.Facts, mode Mode) string {
	var b strings.Builder
	// An empty table first, so that deleting works when there is none yet; all
	// of it is one transaction, in which no packet sees half of the rules.
	b.WriteString("table inet tandem\ndelete table inet tandem\ntable inet tandem {\n")
	b.WriteString("\tcounter intercepted { }\n\tcounter bypassed { }\n\tcounter unmarked { }\n\tcounter refused { }\n\tcounter " + KeptOut + " { }\n\n")
	writeSets(&b, c, f)
	writeRefusalSets(&b)
	b.WriteString(admittedSet)
	datagram := datagramRules(c)
	if datagram != "" {
		fmt.Fprintf(&b, "\tchain datagram {\n%s\t}\n\n", datagram)
		datagram = "\t\tmeta l4proto udp goto datagram\n"
	}
	first := "opening"
	if mode == Hold || mode == HoldByRule {
		b.WriteString(holdChains(c.Port))
		first = "decided"
	}
	fmt.Fprintf(&b, `	chain prerouting {
		type filter hook prerouting priority mangle; policy accept;
		iifname != @lan return
%s		meta l4proto != tcp return
		tcp flags & (fin | syn | rst | ack) == syn goto %s
		socket wildcard 1 return
		socket transparent 1 %s accept
	}

`, datagram, first, setMark)
	b.WriteString("\tchain relay {\n")
	switch mode {
	case Intercept:
		b.WriteString(relayRules(c.Port))
	case Hold, HoldByRule:
		b.WriteString(queueRules(c.Port, mode))
	}
	fmt.Fprintf(&b, "\t}\n\n\tchain opening {\n%s\t}\n\n", openingRules(c))
	// The listener takes connections to any address, so it must not be called
	// by its own: such a connection would be carried back to it without end.
	fmt.Fprintf(&b, `	chain input {
		type filter hook input priority filter; policy accept;
		tcp dport %d tcp flags & (fin | syn | rst | ack) == syn meta mark & %#x != %#x reject with tcp reset
%s	}

`, c.Port, MarkMask, MarkDeliver, leftRules())
	if f.Mwan3 != 0 && f.Mwan3&MarkMask == 0 {
		// All bits of its mask mean to mwan3 that a connection has its line. Ours
		// have: they are bound to it.
		fmt.Fprintf(&b, `	chain beside_mwan3 {
		type filter hook output priority mangle - 1; policy accept;
		meta mark & %#x == %#x meta mark set meta mark | %#x
	}

`, MarkMask, MarkOwn, f.Mwan3)
	}
	// The kernel's resets for packets of subflows that are gone belong to no
	// socket and carry no mark; they get it here, so that routing and other
	// programs' rules treat them as the rest.
	//
	// A small window in our SYN: kernels take it, shifted as later ones are, for
	// the window of the whole connection, and with data in the SYN they never
	// shrink it, so that two subflows overrun us (docs/kernel-notes.md, 2.2).
	fmt.Fprintf(&b, `	chain to_concentrator {
		tcp flags & rst != 0 meta mark & %#x == 0 meta mark set meta mark | %#x
		meta mark & %#x != %#x counter name unmarked
		tcp flags & (syn | ack) == syn tcp window set %d
	}

	chain output {
		type filter hook output priority mangle; policy accept;
%s`, MarkMask, MarkOwn, MarkMask, MarkOwn, synWindow, admittedRule())
	for _, ip := range families() {
		fmt.Fprintf(&b, "\t\t%s daddr @concentrator%s tcp dport @concentrator_port goto to_concentrator\n", ip.keyword, ip.number)
	}
	b.WriteString("\t}\n}\n")
	return b.String()
}

// synWindow is in the SYNs of our own connections to a concentrator. Shifted by
// the window scale it is as much as can come in the first round trip.
const synWindow = 64

// setMark leaves the bits of others alone.
var setMark = fmt.Sprintf("meta mark set meta mark & %#x | %#x", 0xffffffff^uint32(MarkMask), MarkDeliver)

// openingRules decide on a SYN, the cheapest test first.
func openingRules(c *config.Config) string {
	var b strings.Builder
	for _, match := range exemptions("tcp") {
		fmt.Fprintf(&b, "\t\t%s counter name bypassed return\n", match)
	}
	writeRules(&b, c, config.TCP)
	b.WriteString("\t\tgoto relay\n")
	return b.String()
}

// exemptions match what no rule is asked about: what always goes its own way.
func exemptions(proto string) []string {
	matches := []string{proto + " dport @bypass_port", "ether saddr @bypass_mac"}
	for _, ip := range families() {
		for _, match := range []string{"daddr @reserved", "daddr @onlink", "daddr @concentrator", "saddr @bypass_host", "daddr @bypass"} {
			matches = append(matches, ip.keyword+" "+match+ip.number)
		}
	}
	return append(matches, "fib daddr type { local, broadcast, anycast, multicast }")
}

// relayRules hand a SYN to the listener.
func relayRules(port uint16) string {
	var b strings.Builder
	b.WriteString(refusalRules() + "\t\t" + unproven + "return\n")
	for _, ip := range families() {
		fmt.Fprintf(&b, "\t\tmeta nfproto ipv%s %s\n", ip.number, tproxy(ip, port))
	}
	return b.String()
}

// tproxy hands to the listener. The mark stands after tproxy in its rule: with
// the listener gone the rule ends at tproxy, unmarked.
func tproxy(ip family, port uint16) string {
	return fmt.Sprintf("meta l4proto tcp tproxy %s to :%d %s counter name intercepted accept", ip.keyword, port, setMark)
}

// family is how nft names an IP version.
type family struct{ number, keyword string }

func families() []family { return []family{{"4", "ip"}, {"6", "ip6"}} }
