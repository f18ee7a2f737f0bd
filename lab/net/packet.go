package labnet

import "encoding/binary"

// tcpPacket locates the parts of an IP packet that carries TCP.
type tcpPacket struct {
	ip      []byte // the packet, cut to the length its IP header states
	start   int    // of the TCP header
	payload int    // start of the payload
}

const (
	flagSYN = 0x02
	flagACK = 0x10

	optionEnd   = 0
	optionNop   = 1
	optionMPTCP = 30 // RFC 8684, section 3

	subtypeCapable = 0
	subtypeJoin    = 1
)

// parseTCP reports whether pkt starts a TCP segment: IPv4 without a fragment
// offset, or IPv6 without extension headers.
func parseTCP(pkt []byte) (tcpPacket, bool) {
	var p tcpPacket
	if len(pkt) < 20 {
		return p, false
	}
	var total int
	switch pkt[0] >> 4 {
	case 4:
		p.start = int(pkt[0]&15) * 4
		total = int(binary.BigEndian.Uint16(pkt[2:]))
		if p.start < 20 || pkt[9] != 6 || binary.BigEndian.Uint16(pkt[6:])&0x1fff != 0 {
			return p, false
		}
	case 6:
		p.start = 40
		total = 40 + int(binary.BigEndian.Uint16(pkt[4:]))
		if len(pkt) < 40 || pkt[6] != 6 {
			return p, false
		}
	default:
		return p, false
	}
	if total > len(pkt) || total < p.start+20 {
		return p, false
	}
	p.ip = pkt[:total]
	p.payload = p.start + int(pkt[p.start+12]>>4)*4
	return p, p.payload >= p.start+20 && p.payload <= total
}

// isGroupReport reports IPv6 multicast listener messages (RFC 3810): to a
// link-local group, with a hop-by-hop header.
func isGroupReport(pkt []byte) bool {
	return len(pkt) >= 40 && pkt[0]>>4 == 6 && pkt[6] == 0 && pkt[24] == 0xff && pkt[25] == 0x02
}

// isSYN reports a SYN that is no SYN+ACK.
func (p tcpPacket) isSYN() bool {
	return p.ip[p.start+13]&(flagSYN|flagACK) == flagSYN
}

func (p tcpPacket) options() []byte { return p.ip[p.start+20 : p.payload] }

// nextMPTCP returns the bounds of the first MPTCP option at or after from,
// and false if there is none (or the rest of opts is malformed).
func nextMPTCP(opts []byte, from int) (start, end int, ok bool) {
	for i := from; i < len(opts); {
		switch opts[i] {
		case optionEnd:
			return 0, 0, false
		case optionNop:
			i++
			continue
		}
		if i+1 >= len(opts) || opts[i+1] < 2 || i+int(opts[i+1]) > len(opts) {
			return 0, 0, false
		}
		n := int(opts[i+1])
		if opts[i] == optionMPTCP {
			return i, i + n, true
		}
		i += n
	}
	return 0, 0, false
}

// OffersMPTCP tells whether an IP packet is a TCP segment with an MPTCP option.
func OffersMPTCP(pkt []byte) bool {
	p, ok := parseTCP(pkt)
	if ok {
		_, _, ok = nextMPTCP(p.options(), 0)
	}
	return ok
}

// Opening tells whether an IP packet is a SYN with MP_CAPABLE, to which port, and
// how many bytes of data it carries.
func Opening(pkt []byte) (port uint16, payload int, ok bool) {
	p, ok := parseTCP(pkt)
	if !ok || !p.isSYN() || !p.hasSubtype(subtypeCapable) {
		return 0, 0, false
	}
	return binary.BigEndian.Uint16(p.ip[p.start+2:]), len(p.ip) - p.payload, true
}

// hasSubtype reports an MPTCP option of the given subtype.
func (p tcpPacket) hasSubtype(subtype byte) bool {
	opts := p.options()
	for from := 0; ; {
		start, end, ok := nextMPTCP(opts, from)
		if !ok {
			return false
		}
		if end-start >= 3 && opts[start+2]>>4 == subtype {
			return true
		}
		from = end
	}
}
