package authorise

import "net/netip"

// embedded returns the IPv4 addresses that packets to the IPv6 address a may
// end up at, because a tunnel or translator on the way takes them out of it:
//
//	::a.b.c.d             IPv4-compatible, RFC 4291 section 2.5.5.1
//	::ffff:0:a.b.c.d      IPv4-translated, RFC 2765
//	64:ff9b::a.b.c.d      NAT64, RFC 6052
//	64:ff9b:1::/48        NAT64 for local use, RFC 8215, where it is used as /96
//	2002:aabb:ccdd::      6to4, RFC 3056
//	2001:0:server:…:~client  Teredo, RFC 4380: two of them
//
// IPv4-mapped addresses are not here: the socket layer itself takes them for
// IPv4, so callers unmap them first.
func embedded(a netip.Addr) (found [2]netip.Addr, n int) {
	if !a.Is6() {
		return found, 0
	}
	b := a.As16()
	last := [4]byte(b[12:])
	switch {
	case zero(b[:12]),
		zero(b[:8]) && b[8] == 0xff && b[9] == 0xff && zero(b[10:12]),
		b[0] == 0 && b[1] == 0x64 && b[2] == 0xff && b[3] == 0x9b && zero(b[4:12]),
		b[0] == 0 && b[1] == 0x64 && b[2] == 0xff && b[3] == 0x9b && b[4] == 0 && b[5] == 1:
		found[0], n = netip.AddrFrom4(last), 1
	case b[0] == 0x20 && b[1] == 0x02:
		found[0], n = netip.AddrFrom4([4]byte(b[2:])), 1
	case b[0] == 0x20 && b[1] == 0x01 && b[2] == 0 && b[3] == 0:
		found[0] = netip.AddrFrom4([4]byte(b[4:]))
		found[1] = netip.AddrFrom4([4]byte{^last[0], ^last[1], ^last[2], ^last[3]})
		n = 2
	}
	return found, n
}

func zero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}
