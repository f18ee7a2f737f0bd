package connect

import (
	"hash/fnv"
	"net/netip"
)

// Sources are the addresses of this host from which servers are dialled.
type Sources []netip.Addr

// For returns the address from which a client's connections to servers of one
// family come: always the same one, whatever other clients do ("paired"
// pooling, RFC 6888 REQ-2), since services take a change of address for a
// theft. When an address is added or removed, only the clients move that must
// (rendezvous hashing). Not valid: the kernel chooses.
func (s Sources) For(client string, v6 bool) (best netip.Addr) {
	var high uint64
	for _, a := range s {
		if a.Is6() != v6 {
			continue
		}
		h := fnv.New64a()
		h.Write([]byte(client))
		h.Write([]byte{0})
		h.Write(a.AsSlice())
		if score := mix(h.Sum64()); score >= high {
			best, high = a, score
		}
	}
	return best
}

// mix spreads the last bytes' influence over all bits, which FNV alone does
// not (the finaliser of MurmurHash3).
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
