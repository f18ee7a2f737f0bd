package ruleset

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"tandem/cpe/config"
	"tandem/cpe/policy"
	"tandem/shared/order"
)

func writeSets(b *strings.Builder, c *config.Config, f policy.Facts) {
	var lan []string
	for _, device := range c.LAN {
		lan = append(lan, `"`+device+`"`)
	}
	writeSet(b, "lan", "ifname", "", lan)
	for _, kind := range []struct {
		name     string
		prefixes []netip.Prefix
	}{
		{"reserved", policy.Reserved()},
		{"onlink", f.OnLink},
		{"bypass", c.Bypass.Destinations},
		{"bypass_host", c.Bypass.Hosts},
	} {
		v4, v6 := outermost(kind.prefixes)
		writeSet(b, kind.name+"4", "ipv4_addr", "interval", v4)
		writeSet(b, kind.name+"6", "ipv6_addr", "interval", v6)
	}
	var addresses []netip.Prefix
	var ports []string
	for _, far := range c.Concentrators {
		for _, a := range far.Addresses {
			addresses = append(addresses, netip.PrefixFrom(a, a.BitLen()))
		}
		ports = append(ports, fmt.Sprint(far.Port))
	}
	v4, v6 := outermost(addresses)
	writeSet(b, "concentrator4", "ipv4_addr", "", v4)
	writeSet(b, "concentrator6", "ipv6_addr", "", v6)
	writeSet(b, "concentrator_port", "inet_service", "", ports)
	writeSet(b, "bypass_port", "inet_service", "interval", mergePorts(c.Bypass.Ports))
	var macs []string
	for _, mac := range c.Bypass.MACs {
		macs = append(macs, mac.String())
	}
	writeSet(b, "bypass_mac", "ether_addr", "", macs)
}

// writeSet writes one set, elements sorted and once each.
func writeSet(b *strings.Builder, name, typ, flags string, elements []string) {
	fmt.Fprintf(b, "\tset %s {\n\t\ttype %s\n", name, typ)
	if flags != "" {
		fmt.Fprintf(b, "\t\tflags %s\n\t\tauto-merge\n", flags)
	} else {
		order.Strings(elements)
		elements = slices.Compact(elements)
	}
	if len(elements) > 0 {
		fmt.Fprintf(b, "\t\telements = {\n\t\t\t%s,\n\t\t}\n", strings.Join(elements, ",\n\t\t\t"))
	}
	b.WriteString("\t}\n\n")
}

// outermost sorts prefixes by family and drops those inside another: overlap
// in one transaction is refused by kernels and nft versions that do not merge.
func outermost(prefixes []netip.Prefix) (v4, v6 []string) {
	sorted := make([]netip.Prefix, 0, len(prefixes))
	for _, p := range prefixes {
		sorted = append(sorted, p.Masked())
	}
	order.Slice(sorted, func(i, j int) bool {
		a, b := sorted[i], sorted[j]
		if a.Addr() != b.Addr() {
			return a.Addr().Less(b.Addr())
		}
		return a.Bits() < b.Bits()
	})
	var last netip.Prefix
	for _, p := range sorted {
		if last.IsValid() && last.Overlaps(p) {
			continue
		}
		last = p
		text := p.String()
		if p.IsSingleIP() {
			text = p.Addr().String()
		}
		if p.Addr().Is4() {
			v4 = append(v4, text)
		} else {
			v6 = append(v6, text)
		}
	}
	return v4, v6
}

// mergePorts sorts ranges and joins those that overlap.
func mergePorts(ranges []config.PortRange) []string {
	sorted := slices.Clone(ranges)
	order.Slice(sorted, func(i, j int) bool { return sorted[i].First < sorted[j].First })
	var merged []config.PortRange
	for _, r := range sorted {
		if n := len(merged); n > 0 && r.First <= merged[n-1].Last {
			merged[n-1].Last = max(merged[n-1].Last, r.Last)
			continue
		}
		merged = append(merged, r)
	}
	var texts []string
	for _, r := range merged {
		text := fmt.Sprint(r.First)
		if r.Last != r.First {
			text = fmt.Sprintf("%d-%d", r.First, r.Last)
		}
		texts = append(texts, text)
	}
	return texts
}
