package intercept

import (
	"encoding/binary"
	"net/netip"
)

// SYNBytes is how much of a packet ParseSYN wants to see.
const SYNBytes = 128

// ParseSYN reads who wants to reach whom from the first bytes of a packet, the
// network header first. ok is false for what is no TCP packet in plain IPv4 or
// IPv6 (RFC 791, 8200).
func ParseSYN(packet []byte) (src, dst netip.AddrPort, ok bool) {
	const tcp = 6
	if len(packet) < 20 {
		return src, dst, false
	}
	var from, to netip.Addr
	var ports []byte
	switch packet[0] >> 4 {
	case 4:
		header := int(packet[0]&15) * 4
		if packet[9] != tcp || header < 20 || len(packet) < header+4 {
			return src, dst, false
		}
		from, to = netip.AddrFrom4([4]byte(packet[12:])), netip.AddrFrom4([4]byte(packet[16:]))
		ports = packet[header:]
	case 6:
		const header = 40
		if len(packet) < header+4 || packet[6] != tcp { // extension headers are left to others
			return src, dst, false
		}
		from, to = netip.AddrFrom16([16]byte(packet[8:])), netip.AddrFrom16([16]byte(packet[24:]))
		ports = packet[header:]
	default:
		return src, dst, false
	}
	return netip.AddrPortFrom(from, binary.BigEndian.Uint16(ports)), netip.AddrPortFrom(to, binary.BigEndian.Uint16(ports[2:])), true
}
