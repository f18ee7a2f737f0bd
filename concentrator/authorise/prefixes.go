package authorise

import (
	"net/netip"
	"slices"
)

// prefixes maps prefixes to values. A lookup takes one step per prefix length
// in use, however many prefixes there are, and allocates nothing.
type prefixes[T any] struct {
	values map[netip.Prefix]T
	v4, v6 []int // lengths in use, longest first
}

func (p *prefixes[T]) add(pre netip.Prefix, value T) {
	if p.values == nil {
		p.values = make(map[netip.Prefix]T)
	}
	pre = pre.Masked()
	p.values[pre] = value
	lengths := &p.v6
	if pre.Addr().Is4() {
		lengths = &p.v4
	}
	at, found := slices.BinarySearchFunc(*lengths, pre.Bits(), func(have, want int) int { return want - have })
	if !found {
		*lengths = slices.Insert(*lengths, at, pre.Bits())
	}
}

// longest returns the value of the longest prefix that covers a.
func (p *prefixes[T]) longest(a netip.Addr) (value T, ok bool) {
	lengths := p.v6
	if a.Is4() {
		lengths = p.v4
	}
	for _, bits := range lengths {
		pre, err := a.Prefix(bits)
		if err != nil {
			break
		}
		if value, ok = p.values[pre]; ok {
			return value, true
		}
	}
	return value, false
}

func (p *prefixes[T]) cover(a netip.Addr) bool {
	_, ok := p.longest(a)
	return ok
}

func newSet(list []netip.Prefix) (p prefixes[struct{}]) {
	for _, pre := range list {
		p.add(pre, struct{}{})
	}
	return p
}
