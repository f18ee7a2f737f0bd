package ruleset

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"tandem/cpe/config"
	"tandem/shared/order"
)

// quicPort is that of HTTP/3, RFC 9114.
const quicPort = 443

// writeRules writes the rules of the configuration, in its order, for one
// protocol: what a rule does not decide falls through to the next.
func writeRules(b *strings.Builder, c *config.Config, proto config.Proto) {
	for _, r := range c.Rules {
		if !r.Covers(proto) {
			continue
		}
		verdict := ruleVerdict(r.Action, proto)
		for _, match := range ruleMatches(r, proto) {
			fmt.Fprintf(b, "\t\t%s%s\n", match, verdict)
		}
	}
}

func ruleVerdict(a config.Action, proto config.Proto) string {
	switch {
	case a == config.ActionRelay:
		return "goto relay"
	case a == config.ActionRefuse && proto == config.UDP:
		return "counter name refused reject with icmpx type port-unreachable"
	case a == config.ActionRefuse:
		return "counter name refused reject with tcp reset"
	case proto == config.UDP:
		return "return" // the counter is one of connections
	default:
		return "counter name bypassed return"
	}
}

// ruleMatches are the conditions that together stand for a rule, each with a
// space at its end: one for each IP version and each way to name hosts.
func ruleMatches(r config.Rule, proto config.Proto) (matches []string) {
	protoName := map[config.Proto]string{config.TCP: "tcp", config.UDP: "udp"}[proto]
	tail := ""
	if len(r.Ports) > 0 {
		tail = protoName + " dport " + set(mergePorts(r.Ports))
	}
	var macs []string
	for _, mac := range r.MACs {
		macs = append(macs, mac.String())
	}
	if len(r.Hosts)+len(r.Destinations)+len(r.DSCP) == 0 { // whatever the version
		if len(macs) > 0 {
			tail = "ether saddr " + set(macs) + tail
		}
		return []string{tail}
	}
	for _, ip := range families() {
		hosts, hostsOK := ofFamily(r.Hosts, ip)
		destinations, destinationsOK := ofFamily(r.Destinations, ip)
		if !destinationsOK {
			continue
		}
		rest := "meta nfproto ipv" + ip.number + " "
		if len(destinations) > 0 {
			rest = ip.keyword + " daddr " + set(destinations)
		}
		if len(r.DSCP) > 0 {
			var points []string
			for _, p := range r.DSCP {
				points = append(points, fmt.Sprintf("%#02x", p))
			}
			rest += ip.keyword + " dscp " + set(points)
		}
		rest += tail
		if len(hosts) > 0 {
			matches = append(matches, ip.keyword+" saddr "+set(hosts)+rest)
		}
		if len(macs) > 0 {
			matches = append(matches, "ether saddr "+set(macs)+rest)
		}
		if hostsOK && len(hosts)+len(macs) == 0 {
			matches = append(matches, rest)
		}
	}
	return matches
}

// ofFamily picks the prefixes of one IP version. ok is false when there are
// prefixes, but none of that version.
func ofFamily(prefixes []netip.Prefix, ip family) (texts []string, ok bool) {
	v4, v6 := outermost(prefixes)
	texts = v4
	if ip.number == "6" {
		texts = v6
	}
	return texts, len(texts) > 0 || len(prefixes) == 0
}

// set is an anonymous one, each element once.
func set(elements []string) string {
	order.Strings(elements)
	elements = slices.Compact(elements)
	return "{ " + strings.Join(elements, ", ") + " } "
}

// datagramRules decide on UDP. There are none unless the configuration asks for
// some: then UDP is looked at packet by packet, without connection tracking.
func datagramRules(c *config.Config) string {
	var b strings.Builder
	writeRules(&b, c, config.UDP)
	if c.QUIC == config.QUICRefuse {
		fmt.Fprintf(&b, "\t\tudp dport %d counter name refused reject with icmpx type port-unreachable\n", quicPort)
	}
	if b.Len() == 0 {
		return ""
	}
	var exempt strings.Builder
	for _, match := range exemptions("udp") {
		fmt.Fprintf(&exempt, "\t\t%s return\n", match)
	}
	return exempt.String() + b.String()
}
