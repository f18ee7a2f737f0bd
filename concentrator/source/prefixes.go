package source

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"tandem/shared/convert"
)

// MaxPrefixes is how many prefixes a client can have.
const MaxPrefixes = 16

// Check says why a client cannot have this mode with these prefixes.
func Check(mode Mode, prefixes []netip.Prefix) error {
	var errs []error
	if mode != "" {
		_, err := ParseMode(string(mode))
		errs = append(errs, err)
	}
	if len(prefixes) > MaxPrefixes {
		errs = append(errs, fmt.Errorf("prefixes: more than %d", MaxPrefixes))
	}
	v6 := 0
	for i, p := range prefixes {
		errs = append(errs, checkPrefix(p))
		if slices.ContainsFunc(prefixes[:i], p.Overlaps) {
			errs = append(errs, fmt.Errorf("prefixes: %s is given twice, or lies in another one", p))
		}
		if p.IsValid() && p.Addr().Is6() {
			v6++
		}
	}
	switch {
	case mode == Prefix && (v6 != 1 || len(prefixes) != 1):
		errs = append(errs, fmt.Errorf("source \"prefix\" needs exactly one IPv6 prefix, into which the LAN hosts' addresses are translated, such as 2001:db8:100::/56; there are %d", len(prefixes)))
	case mode == Prefix && prefixes[0].Bits() > 64:
		errs = append(errs, fmt.Errorf("source \"prefix\": %s is longer than the 64 bits that RFC 6296 translates", prefixes[0]))
	case mode != Prefix && mode != Preserved && len(prefixes) > 0:
		errs = append(errs, errors.New("prefixes: only a client with source \"preserved\" or \"prefix\" has any"))
	}
	return errors.Join(errs...)
}

func checkPrefix(p netip.Prefix) error {
	switch {
	case !p.IsValid():
		return errors.New("prefixes: not a prefix")
	case p.Addr().Is4In6():
		return fmt.Errorf("prefixes: %s: write IPv4 prefixes as a.b.c.d/n", p)
	case p != p.Masked():
		return fmt.Errorf("prefixes: %s has bits set behind its length; %s is meant?", p, p.Masked())
	case p.Bits() < 8, convert.Forbidden(p.Addr()), p.Addr().IsLinkLocalUnicast():
		return fmt.Errorf("prefixes: %s cannot be a client's", p)
	}
	return nil
}

// Owners knows which prefixes are whose. It never changes once it is made.
type Owners struct {
	prefixes []netip.Prefix // no two overlap; sorted by address
	clients  []string
}

// Owned is a client with a prefix.
type Owned struct {
	Prefix netip.Prefix
	Client string
}

// NewOwners returns the index of all. Of two that overlap the later one is left
// out and returned as a conflict.
func NewOwners(all []Owned) (*Owners, []Conflict) {
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return comparePrefixes(all[i].Prefix, all[j].Prefix) })
	kept := order[:0]
	var conflicts []Conflict
	for _, i := range order {
		last := len(kept) - 1
		switch { // whatever it overlaps is, or lies around, the one before it
		case last < 0 || !all[kept[last]].Prefix.Overlaps(all[i].Prefix):
			kept = append(kept, i)
		case kept[last] < i:
			conflicts = append(conflicts, Conflict{all[i], all[kept[last]]})
		default:
			conflicts = append(conflicts, Conflict{all[kept[last]], all[i]})
			kept[last] = i
		}
	}
	o := &Owners{prefixes: make([]netip.Prefix, len(kept)), clients: make([]string, len(kept))}
	for at, i := range kept {
		o.prefixes[at], o.clients[at] = all[i].Prefix, all[i].Client
	}
	return o, conflicts
}

// Conflict is a prefix that another client has, wholly or in part.
type Conflict struct{ Owned, Has Owned }

func (c Conflict) Error() string {
	return fmt.Sprintf("prefix %s overlaps %s, which is client %q's", c.Owned.Prefix, c.Has.Prefix, c.Has.Client)
}

// Of returns the client whose an address is.
func (o *Owners) Of(a netip.Addr) (client string, ok bool) {
	if o == nil {
		return "", false
	}
	i, found := slices.BinarySearchFunc(o.prefixes, netip.PrefixFrom(a, a.BitLen()), comparePrefixes)
	if !found {
		i--
	}
	if i < 0 || !o.prefixes[i].Contains(a) {
		return "", false
	}
	return o.clients[i], true
}

// comparePrefixes sorts IPv4 before IPv6, and a prefix before what is in it.
func comparePrefixes(a, b netip.Prefix) int {
	if c := a.Addr().Compare(b.Addr()); c != 0 {
		return c
	}
	return a.Bits() - b.Bits()
}
