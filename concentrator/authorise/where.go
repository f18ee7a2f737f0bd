package authorise

import (
	"net/netip"
	"slices"
	"sync/atomic"

	"tandem/shared/convert"
)

// Policy is what [Destinations] are built from.
type Policy struct {
	AllowPrivate bool           // private, shared (CGNAT) and unique local ranges
	Allow        []netip.Prefix // exceptions from what is refused by default
	Deny         []netip.Prefix // refused, whatever Allow says
	DenyPorts    []uint16
	Own          *Own // addresses of the concentrator itself; nil: none
}

// Own is the set of the concentrator's own addresses, which may change at any
// time.
type Own struct {
	set atomic.Pointer[map[netip.Addr]struct{}]
}

// NewOwn returns the set of these addresses.
func NewOwn(addrs ...netip.Addr) *Own {
	o := new(Own)
	o.Set(addrs)
	return o
}

// Set replaces the set.
func (o *Own) Set(addrs []netip.Addr) {
	set := make(map[netip.Addr]struct{}, len(addrs))
	for _, a := range addrs {
		set[a.Unmap().WithZone("")] = struct{}{}
	}
	o.set.Store(&set)
}

func (o *Own) has(a netip.Addr) bool {
	if o == nil {
		return false
	}
	_, ok := (*o.set.Load())[a]
	return ok
}

// Destinations says where a client may go.
type Destinations struct {
	policy      Policy
	allow, deny prefixes[struct{}]
	denyPorts   map[uint16]struct{}
	reserved    []reservation
}

// NewDestinations builds Destinations. The zero Policy allows what is on the
// public Internet.
func NewDestinations(p Policy) *Destinations {
	return newDestinations(p, reservations())
}

func newDestinations(p Policy, reserved []reservation) *Destinations {
	d := &Destinations{
		policy:    p,
		allow:     newSet(p.Allow),
		deny:      newSet(p.Deny),
		denyPorts: make(map[uint16]struct{}),
		reserved:  reserved,
	}
	for _, port := range p.DenyPorts {
		d.denyPorts[port] = struct{}{}
	}
	return d
}

// For returns d for one client: it may also reach allow and the denied ports
// in allowPorts, but not deny. What d denies stays denied.
func (d *Destinations) For(allow, deny []netip.Prefix, allowPorts []uint16) *Destinations {
	if len(allow)+len(deny)+len(allowPorts) == 0 {
		return d
	}
	p := d.policy
	p.Allow = slices.Concat(p.Allow, allow)
	p.Deny = slices.Concat(p.Deny, deny)
	p.DenyPorts = slices.DeleteFunc(slices.Clone(p.DenyPorts), func(port uint16) bool { return slices.Contains(allowPorts, port) })
	return newDestinations(p, d.reserved)
}

// Check says whether dst may be dialled, and if not, why. Loopback, multicast,
// broadcast and unspecified addresses are Error 1 (RFC 8803 section 6.2.5);
// what policy refuses is Error 32. An IPv4 address inside an IPv6 one must
// pass by itself too. It allocates nothing.
func (d *Destinations) Check(dst netip.AddrPort) (r Refusal, ok bool) {
	a := dst.Addr().Unmap().WithZone("")
	if convert.Forbidden(a) {
		return Refusal{Code: convert.MalformedMessage, Why: "destination is loopback, multicast, broadcast or unspecified"}, false
	}
	why := d.refuse(a)
	inner, n := embedded(a)
	for i := 0; i < n && why == ""; i++ {
		if convert.Forbidden(inner[i]) {
			why = "destination embeds a forbidden IPv4 address"
		} else if d.refuse(inner[i]) != "" {
			why = "destination embeds a refused IPv4 address"
		}
	}
	if _, bad := d.denyPorts[dst.Port()]; bad && why == "" {
		why = "destination port is denied"
	}
	if why != "" {
		return Refusal{Code: convert.NotAuthorized, Why: why}, false
	}
	return Refusal{}, true
}

// refuse returns why one spelling of an address is refused, or nothing.
func (d *Destinations) refuse(a netip.Addr) string {
	if d.deny.cover(a) {
		return "destination is denied"
	}
	if d.allow.cover(a) {
		return ""
	}
	if d.policy.Own.has(a) {
		return "destination is the concentrator itself"
	}
	for i := range d.reserved {
		if r := &d.reserved[i]; r.prefix.Contains(a) {
			if r.private && d.policy.AllowPrivate {
				return ""
			}
			return r.why
		}
	}
	return ""
}

// reservation is a range that is refused by default.
type reservation struct {
	prefix  netip.Prefix
	private bool   // what AllowPrivate opens
	why     string // empty: it is not refused after all
}

// reservations lists the ranges of the IANA special-purpose registries that
// lead into the concentrator's own network or nowhere; the first that covers
// an address counts. The documentation ranges are not among them: nobody
// routes them, and laboratories use them.
func reservations() (out []reservation) {
	add := func(why string, private bool, list ...string) {
		for _, s := range list {
			out = append(out, reservation{netip.MustParsePrefix(s), private, why})
		}
	}
	// Not among 169.254.0.0/16: Alibaba, Azure, AWS, Google, Scaleway.
	add("destination is a metadata service", false, "100.100.100.200/32", "168.63.129.16/32",
		"fd00:ec2::254/128", "fd20:ce::254/128", "fd00:42::42/128")
	add("destination is private", true, "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
		"100.64.0.0/10", "198.18.0.0/15", "fc00::/7", "fec0::/10")
	add("destination is link-local", false, "169.254.0.0/16", "fe80::/10")
	add("destination is reserved", false, "0.0.0.0/8", "192.0.0.0/24", "240.0.0.0/4")
	// Of IPv6, only 2000::/3 and NAT64 lead anywhere.
	add("", false, "64:ff9b::/96")
	add("destination is reserved", false, "::/3", "4000::/2", "8000::/1")
	return out
}
