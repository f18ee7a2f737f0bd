package config

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"tandem/shared/pairing"
)

// advertise reads what CPEs are told of where the concentrator is: addresses,
// or one host name, each with or without a port. A pairing line holds one port,
// so all must agree.
func (p *parser) advertise(out *Advertise, in []string) {
	for i, s := range in {
		key := element("advertise", i)
		host, port := s, uint16(0)
		if h, text, err := net.SplitHostPort(s); err == nil {
			n, err := strconv.ParseUint(text, 10, 16)
			if err != nil || n == 0 {
				p.add(key, "%q: the port must be 1 to 65535", clip(s))
				continue
			}
			host, port = h, uint16(n)
		}
		switch {
		case port != 0 && out.Port != 0 && port != out.Port:
			p.add(key, "%q: all must have the same port, since a pairing line holds one", clip(s))
			continue
		case port != 0:
			out.Port = port
		}
		a, err := netip.ParseAddr(strings.Trim(host, "[]"))
		switch {
		case err != nil && pairing.CheckHost(host) != nil:
			p.add(key, "%q is neither an address nor a host name, such as \"203.0.113.1\", \"[2001:db8::1]:5124\" or \"vm.example.net\"", clip(s))
		case err != nil && (out.Host != "" || len(in) > 1):
			p.add(key, "%q: a host name must be the only entry", clip(s))
		case err != nil:
			out.Host = host
		case a.Zone() != "" || a.Is4In6() || a.IsUnspecified() || a.IsMulticast() || a.IsLoopback():
			p.add(key, "%q is not an address at which others reach this host", clip(s))
		case slices.Contains(out.Addresses, a):
			p.add(key, "%s is given twice", a)
		case len(out.Addresses) == pairing.MaxAddresses:
			p.add(key, "at most %d addresses fit into a pairing line", pairing.MaxAddresses)
		default:
			out.Addresses = append(out.Addresses, a)
		}
	}
}
