package source

import (
	"errors"
	"fmt"
	"net/netip"
)

// Rules is what the configuration and all clients say.
type Rules struct {
	// Default is the mode of clients that have none.
	Default Mode
	// Preserve lists the prefixes of CPEs whose addresses may be dialled with:
	// what servers send there must come by this host.
	Preserve []netip.Prefix
	// Owners knows the clients' own prefixes.
	Owners *Owners
}

// Client is what is known of one.
type Client struct {
	Name     string
	Mode     Mode
	Prefixes []netip.Prefix
}

// Request is one connection to be made.
type Request struct {
	CPE  netip.Addr // the address that it comes from
	Host netip.Addr // LAN host, as the CPE names it; not valid: it names none
	Dst  netip.Addr
}

// Choice is the address to dial from.
type Choice struct {
	Addr netip.Addr // not valid: one that clients share
	// Unproven: the address is the CPE's, which only a complete handshake proves
	// to be so.
	Unproven bool
}

// ErrHostUnknown says that the CPE must name the LAN host (package origin).
var ErrHostUnknown = errors.New("the request does not name the LAN host")

// Refused is an address that a client may not be seen with.
type Refused struct{ reason string }

func (r *Refused) Error() string { return r.reason }

// WantsHost tells whether a client's requests must name the LAN host.
func (r *Rules) WantsHost(c *Client) bool {
	m := r.mode(c)
	return m == Prefix || m == Preserved && len(c.Prefixes) > 0
}

// Foreign tells whether a client's connections may come from addresses that
// are not this host's.
func (r *Rules) Foreign(c *Client) bool { m := r.mode(c); return m == Prefix || m == Preserved }

func (r *Rules) mode(c *Client) Mode {
	if c.Mode == "" {
		return r.Default
	}
	return c.Mode
}

// Choose decides. It fails with ErrHostUnknown or a *Refused.
func (r *Rules) Choose(c *Client, q Request) (Choice, error) {
	q.CPE, q.Host, q.Dst = q.CPE.Unmap(), q.Host.Unmap().WithZone(""), q.Dst.Unmap()
	if q.Host.IsValid() {
		if other, owned := r.Owners.Of(q.Host); owned && other != c.Name {
			return Choice{}, &Refused{fmt.Sprintf("the router names the LAN host %s, which is client %q's address", q.Host, other)}
		}
	}
	switch r.mode(c) {
	case Preserved:
		return r.preserve(c, q)
	case Prefix:
		return translated(c, q)
	}
	return Choice{}, nil
}

// preserve takes the LAN host's address where that is the client's, else the
// CPE's.
func (r *Rules) preserve(c *Client, q Request) (Choice, error) {
	v4 := q.Dst.Is4()
	for _, p := range c.Prefixes {
		switch {
		case p.Addr().Is4() != v4:
		case !q.Host.IsValid():
			return Choice{}, ErrHostUnknown
		case p.Contains(q.Host):
			return Choice{Addr: q.Host}, nil
		}
	}
	if q.CPE.Is4() != v4 {
		return Choice{}, nil // the CPE came by the other family
	}
	if owner, owned := r.Owners.Of(q.CPE); owned {
		if owner != c.Name {
			return Choice{}, &Refused{fmt.Sprintf("the router comes from %s, which is client %q's address", q.CPE, owner)}
		}
		return Choice{Addr: q.CPE}, nil
	}
	for _, p := range r.Preserve {
		if p.Contains(q.CPE) {
			return Choice{Addr: q.CPE, Unproven: true}, nil
		}
	}
	return Choice{}, nil // its way back does not lead by us
}

// translated puts the client's prefix before what is the host's own.
func translated(c *Client, q Request) (Choice, error) {
	switch {
	case !q.Dst.Is6() || q.Host.IsValid() && !q.Host.Is6():
		return Choice{}, nil
	case !q.Host.IsValid():
		return Choice{}, ErrHostUnknown
	}
	external := c.Prefixes[0]
	inside := netip.PrefixFrom(q.Host, external.Bits()).Masked()
	a, ok := Translate(inside, external, q.Host)
	if !ok {
		return Choice{}, &Refused{fmt.Sprintf("the LAN host's address %s has no translation into %s (RFC 6296 sections 3.4 and 3.5)", q.Host, external)}
	}
	return Choice{Addr: a}, nil
}
