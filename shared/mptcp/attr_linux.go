package mptcp

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"
)

var errShortAttr = errors.New("netlink attribute is cut short")

// eachAttr calls f with the type and the value of each netlink attribute in b,
// flags of the type removed. (The parser in package nl runs past the end of
// a last attribute that lacks its padding.)
func eachAttr(b []byte, f func(kind uint16, value attr)) error {
	for len(b) >= unix.SizeofNlAttr {
		size := int(binary.NativeEndian.Uint16(b))
		if size < unix.SizeofNlAttr || size > len(b) {
			return errShortAttr
		}
		kind := binary.NativeEndian.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
		f(kind, attr(b[unix.SizeofNlAttr:size]))
		b = b[min((size+unix.NLA_ALIGNTO-1)&^(unix.NLA_ALIGNTO-1), len(b)):]
	}
	return nil
}

// attr is the value of one attribute. Values that are too short read as 0.
type attr []byte

func (a attr) u8() uint8 {
	if len(a) < 1 {
		return 0
	}
	return a[0]
}

func (a attr) u16() uint16 {
	if len(a) < 2 {
		return 0
	}
	return binary.NativeEndian.Uint16(a)
}

func (a attr) u32() uint32 {
	if len(a) < 4 {
		return 0
	}
	return binary.NativeEndian.Uint32(a)
}

// be16 reads a port as packets have it.
func (a attr) be16() uint16 {
	if len(a) < 2 {
		return 0
	}
	return binary.BigEndian.Uint16(a)
}

// addr reads an IPv4 or IPv6 address; IPv4-mapped ones become IPv4.
func (a attr) addr() netip.Addr {
	addr, _ := netip.AddrFromSlice(a)
	return addr.Unmap()
}
