package nfnetlink

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// subsystems of nfnetlink.
const (
	subsysQueue  = 3
	subsysTables = 10
)

const (
	headerLen = unix.SizeofNlMsghdr
	genLen    = 4 // struct nfgenmsg
)

// attrs is a list of attributes as it is on the wire.
type attrs []byte

// add appends one attribute. Values are big endian, as all of nfnetlink's are.
func (a attrs) add(kind uint16, value []byte) attrs {
	a = binary.NativeEndian.AppendUint16(a, uint16(unix.SizeofNlAttr+len(value)))
	a = binary.NativeEndian.AppendUint16(a, kind)
	a = append(a, value...)
	return append(a, make([]byte, -len(value)&3)...)
}

func (a attrs) uint32(kind uint16, value uint32) attrs {
	return a.add(kind, binary.BigEndian.AppendUint32(nil, value))
}

func (a attrs) text(kind uint16, value string) attrs { return a.add(kind, append([]byte(value), 0)) }

func (a attrs) nested(kind uint16, inner attrs) attrs { return a.add(kind|unix.NLA_F_NESTED, inner) }

// next splits off the first attribute; ok is false at the end of the list or
// where it is broken.
func (a attrs) next() (kind uint16, value []byte, rest attrs, ok bool) {
	if len(a) < unix.SizeofNlAttr {
		return 0, nil, nil, false
	}
	n := int(binary.NativeEndian.Uint16(a))
	if n < unix.SizeofNlAttr || n > len(a) {
		return 0, nil, nil, false
	}
	return binary.NativeEndian.Uint16(a[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER), a[unix.SizeofNlAttr:n], a[min((n+3)&^3, len(a)):], true
}

// find returns the value of the first attribute of a kind, nil if there is none.
func (a attrs) find(want uint16) attrs {
	for kind, value, rest, ok := a.next(); ok; kind, value, rest, ok = rest.next() {
		if kind == want {
			return value
		}
	}
	return nil
}

// message is one request.
type message struct {
	kind     uint16 // subsystem and command
	flags    uint16
	family   uint8
	resource uint16 // its meaning is the subsystem's
	attrs    attrs
}

// appendTo writes m with a sequence number.
func (m message) appendTo(b []byte, seq uint32) []byte {
	b = binary.NativeEndian.AppendUint32(b, uint32(headerLen+genLen+len(m.attrs)))
	b = binary.NativeEndian.AppendUint16(b, m.kind)
	b = binary.NativeEndian.AppendUint16(b, m.flags|unix.NLM_F_REQUEST)
	b = binary.NativeEndian.AppendUint32(b, seq)
	b = binary.NativeEndian.AppendUint32(b, 0) // port: the kernel's
	b = append(b, m.family, 0)
	b = binary.BigEndian.AppendUint16(b, m.resource)
	return append(b, m.attrs...)
}

// received is one message of the kernel.
type received struct {
	kind uint16
	seq  uint32
	body []byte
}

// split returns the first message of b; ok is false when there is none more.
func split(b []byte) (m received, rest []byte, ok bool) {
	if len(b) < headerLen {
		return received{}, nil, false
	}
	n := int(binary.NativeEndian.Uint32(b))
	if n < headerLen || n > len(b) {
		return received{}, nil, false
	}
	m = received{kind: binary.NativeEndian.Uint16(b[4:]), seq: binary.NativeEndian.Uint32(b[8:]), body: b[headerLen:n]}
	return m, b[min((n+3)&^3, len(b)):], true
}
