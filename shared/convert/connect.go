package convert

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// connectLen is the length of a Connect TLV without options, in bytes.
const connectLen = 20

// Connect is the Connect TLV (RFC 8803 section 6.2.5). From a client it names
// the server to connect to, from a converter the remote host of an incoming
// connection.
type Connect struct {
	Addr    netip.AddrPort // IPv4 as such, not as ::ffff:a.b.c.d; no zone
	Options []byte         // TCP options of the extended form, without padding
}

// Forbidden says whether a Connect to addr must be refused whatever the
// policy: loopback, multicast and limited broadcast (RFC 8803 section 6.2.5),
// in their IPv4-mapped spelling too, and the unspecified address, which Linux
// takes for loopback. What else a client may reach is for the caller to say.
func Forbidden(addr netip.Addr) bool {
	addr = addr.Unmap()
	return !addr.IsValid() || addr.IsLoopback() || addr.IsMulticast() || addr.IsUnspecified() ||
		addr == netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// parseConnect refuses forbidden destinations itself, so that no caller can
// forget it; such a fault leaves the message Complete. A client is not held to
// it: for the remote host of an incoming connection the RFC has no such rule.
func parseConnect(tlv []byte, at int, from Side) (c Connect, f SyntaxError) {
	if len(tlv) < connectLen {
		return c, malformed(TypeConnect, at, "length is less than 5")
	}
	addr := netip.AddrFrom16([16]byte(tlv[4:connectLen])).Unmap()
	if from == FromClient && Forbidden(addr) {
		return c, malformed(TypeConnect, at, "destination is forbidden")
	}
	c.Addr = netip.AddrPortFrom(addr, binary.BigEndian.Uint16(tlv[2:]))
	if len(tlv) > connectLen {
		var n int
		n, f = checkOptions(tlv[connectLen:], at+connectLen)
		c.Options = tlv[connectLen : connectLen+n]
	}
	return c, f
}

// AppendConnect appends the message of a base Connect to addr: 24 bytes. It
// fails, with b as it was, for an address that is not valid or has a zone.
func AppendConnect(b []byte, addr netip.AddrPort) ([]byte, error) {
	if err := checkAddr(addr.Addr()); err != nil {
		return b, err
	}
	b = append(b, Version, (HeaderLen+connectLen)/4, Magic>>8, Magic&0xff)
	return appendConnect(b, addr, nil), nil
}

func appendConnect(b []byte, addr netip.AddrPort, options []byte) []byte {
	a := addr.Addr().As16()
	b = append(b, byte(TypeConnect), byte(words(connectLen+len(options))), byte(addr.Port()>>8), byte(addr.Port()))
	b = append(b, a[:]...)
	return appendPadded(b, connectLen, options)
}

func checkAddr(a netip.Addr) error {
	if !a.IsValid() || a.Zone() != "" {
		return fmt.Errorf("convert: address %q does not fit a Connect", a)
	}
	return nil
}
