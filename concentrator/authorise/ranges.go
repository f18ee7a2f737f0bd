package authorise

import "net/netip"

// Ranges are d as lists, for rules in the kernel: the first of them that has an
// address decides. What none has may be dialled. Check stays the last word: it
// also knows the concentrator's own addresses and those that embed others.
type Ranges struct {
	Deny, Allow, Reserved []netip.Prefix
	DenyPorts             []uint16
}

// Ranges returns d's.
func (d *Destinations) Ranges() Ranges {
	r := Ranges{Deny: d.policy.Deny, DenyPorts: d.policy.DenyPorts}
	r.Allow = append(r.Allow, d.policy.Allow...)
	for _, one := range d.reserved {
		if one.why == "" || one.private && d.policy.AllowPrivate {
			r.Allow = append(r.Allow, one.prefix)
		} else {
			r.Reserved = append(r.Reserved, one.prefix)
		}
	}
	return r
}
