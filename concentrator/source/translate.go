package source

import (
	"encoding/binary"
	"net/netip"
)

// Translate maps an IPv6 address from the prefix inside to the prefix outside,
// of the same length of 1 to 64 bits, by the algorithm of RFC 6296: what is
// behind the prefix stays, but for one word that keeps the checksum of the whole
// as it was. So a translator on the client's way in the Internet maps a host
// to the same address as we do. Without a state, any address has exactly one
// translation; false: it has none.
func Translate(inside, outside netip.Prefix, a netip.Addr) (netip.Addr, bool) {
	bits := outside.Bits()
	if inside.Bits() != bits || bits < 1 || bits > 64 || !inside.Contains(a) || !outside.Addr().Is6() {
		return netip.Addr{}, false
	}
	w := words(a)
	at, ok := adjusted(w, bits)
	if !ok {
		return netip.Addr{}, false
	}
	from, to := words(inside.Addr()), words(outside.Addr())
	if from == to {
		return a, true
	}
	sum := uint32(w[at]) // one's complement: w[at] + from - to
	for i := range 4 {
		sum += uint32(from[i]) + uint32(^to[i])
		mask := uint16(0xffff)
		if n := bits - 16*i; n < 16 {
			mask <<= 16 - max(n, 0)
		}
		w[i] = w[i]&^mask | to[i]&mask
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	if sum == 0xffff {
		sum = 0 // the same number, and the one that stays if translated again
	}
	w[at] = uint16(sum)
	return address(w), true
}

// adjusted is the word that makes up for the prefix: the subnet's where the
// prefix leaves it (RFC 6296 section 3.4), else the first of the interface
// identifier that is not all ones (section 3.5). All ones cannot be told from
// zero in this arithmetic.
func adjusted(w [8]uint16, bits int) (at int, ok bool) {
	if bits <= 48 {
		return 3, w[3] != 0xffff
	}
	if w[4]|w[5]|w[6]|w[7] == 0 {
		return 0, false // the routers' anycast address (section 3.5)
	}
	for at = 4; at < 8; at++ {
		if w[at] != 0xffff {
			return at, true
		}
	}
	return 0, false
}

func words(a netip.Addr) (w [8]uint16) {
	b := a.As16()
	for i := range w {
		w[i] = binary.BigEndian.Uint16(b[2*i:])
	}
	return w
}

func address(w [8]uint16) netip.Addr {
	var b [16]byte
	for i, x := range w {
		binary.BigEndian.PutUint16(b[2*i:], x)
	}
	return netip.AddrFrom16(b)
}
