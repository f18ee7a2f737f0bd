package labnet

import "encoding/binary"

// apply changes pkt in place and returns it, possibly shortened.
func (s Strip) apply(pkt []byte) []byte {
	p, ok := parseTCP(pkt)
	if !ok {
		return pkt
	}
	changed := false
	if s.MPTCP {
		changed = p.blankMPTCP()
	}
	if s.SYNData && p.isSYN() && p.payload < len(p.ip) {
		p.cutPayload()
		changed = true
	}
	if changed {
		p.fixChecksum()
		return p.ip
	}
	return pkt
}

// blankMPTCP overwrites all MPTCP options and reports whether there were any.
func (p tcpPacket) blankMPTCP() bool {
	opts := p.options()
	found := false
	for from := 0; ; found = true {
		start, end, ok := nextMPTCP(opts, from)
		if !ok {
			return found
		}
		for i := start; i < end; i++ {
			opts[i] = optionNop
		}
		from = end
	}
}

// cutPayload removes the payload and corrects the IP header.
func (p *tcpPacket) cutPayload() {
	p.ip = p.ip[:p.payload]
	if p.ip[0]>>4 == 6 {
		binary.BigEndian.PutUint16(p.ip[4:], uint16(len(p.ip)-40))
		return
	}
	binary.BigEndian.PutUint16(p.ip[2:], uint16(len(p.ip)))
	binary.BigEndian.PutUint16(p.ip[10:], 0)
	binary.BigEndian.PutUint16(p.ip[10:], ^fold(sum(p.ip[:p.start])))
}

// fixChecksum computes the TCP checksum anew (RFC 9293, section 3.1).
func (p tcpPacket) fixChecksum() {
	seg := p.ip[p.start:]
	addrs := p.ip[12:20]
	if p.ip[0]>>4 == 6 {
		addrs = p.ip[8:40]
	}
	binary.BigEndian.PutUint16(seg[16:], 0)
	pseudo := sum(addrs) + 6 + uint32(len(seg))
	binary.BigEndian.PutUint16(seg[16:], ^fold(pseudo+sum(seg)))
}

// sum adds up big-endian 16-bit words; enough room for a packet of 64 KiB.
func sum(b []byte) (s uint32) {
	for ; len(b) >= 2; b = b[2:] {
		s += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	return s
}

func fold(s uint32) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}
