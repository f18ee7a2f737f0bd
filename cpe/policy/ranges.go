package policy

import (
	"net/netip"

	"tandem/shared/order"
)

// span holds first to last, both included.
type span struct {
	first, last netip.Addr
}

// ranges is a set of addresses: spans of both families, ascending, without
// overlap. netip orders IPv4 before IPv6, so one list serves both.
type ranges []span

func newRanges(prefixes []netip.Prefix) ranges {
	all := make(ranges, 0, len(prefixes))
	for _, p := range prefixes {
		all = append(all, span{first: p.Masked().Addr(), last: lastOf(p)})
	}
	order.Slice(all, func(i, j int) bool { return all[i].first.Less(all[j].first) })
	merged := all[:0]
	for _, s := range all {
		if n := len(merged); n > 0 && s.first.Compare(merged[n-1].last) <= 0 {
			if merged[n-1].last.Less(s.last) {
				merged[n-1].last = s.last
			}
			continue
		}
		merged = append(merged, s)
	}
	return merged
}

// contains takes log2 of the number of spans and allocates nothing.
func (r ranges) contains(a netip.Addr) bool {
	low, high := 0, len(r)
	for low < high {
		if mid := (low + high) / 2; a.Less(r[mid].first) {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return low > 0 && !r[low-1].last.Less(a)
}

// lastOf is the highest address of a prefix.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for bit := p.Bits(); bit < 8*len(b); bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
