package nfnetlink

import (
	"bytes"
	"encoding/binary"
	"testing"
)

func TestAttrs(t *testing.T) {
	list := attrs(nil).text(1, "held").uint32(2, 0x01020304).nested(3, attrs(nil).add(4, []byte{5}))
	if len(list)%4 != 0 {
		t.Errorf("%d bytes: attributes end at a multiple of 4", len(list))
	}
	want := [][]byte{{'h', 'e', 'l', 'd', 0}, {1, 2, 3, 4}, nil}
	n := 0
	for kind, value, rest, ok := list.next(); ok; kind, value, rest, ok = rest.next() {
		if int(kind) != n+1 {
			t.Errorf("attribute %d has type %d", n+1, kind)
		}
		if n < 2 && !bytes.Equal(value, want[n]) {
			t.Errorf("attribute %d is %x, want %x", kind, value, want[n])
		}
		n++
	}
	if n != len(want) {
		t.Errorf("%d attributes, want %d", n, len(want))
	}
}

// What the kernel would never send ends a list, and is no more than that.
func TestBroken(t *testing.T) {
	whole := attrs(nil).uint32(1, 7)
	for cut := range len(whole) {
		if _, _, _, ok := whole[:cut].next(); ok {
			t.Errorf("an attribute in %d of %d bytes", cut, len(whole))
		}
	}
	for _, length := range []uint16{0, 3} {
		short := bytes.Clone(whole)
		binary.NativeEndian.PutUint16(short, length)
		if _, _, _, ok := attrs(short).next(); ok {
			t.Errorf("an attribute of length %d", length)
		}
	}
	m := message{kind: 9, attrs: whole}.appendTo(nil, 3)
	for cut := range len(m) {
		if _, _, ok := split(m[:cut]); ok {
			t.Errorf("a message in %d of %d bytes", cut, len(m))
		}
	}
	if got, rest, ok := split(m); !ok || got.kind != 9 || got.seq != 3 || len(rest) != 0 || !bytes.Equal(got.body[genLen:], whole) {
		t.Errorf("%+v, %d bytes left, %v", got, len(rest), ok)
	}
	if p := parsePacket(attrs(nil).uint32(attrMark, 5).add(attrPacketHeader, []byte{0, 0, 0, 8, 0, 0, 0})); p.Mark != 5 || p.ID != 8 || p.Payload != nil {
		t.Errorf("%+v", p)
	}
	for value, want := range map[string]string{
		"\x00\x06\x00\x00\x02\x00\x5e\x00\x53\x01\x00\x00": "\x02\x00\x5e\x00\x53\x01",
		"\x00\x00\x00\x00": "", "\x00\x09\x00\x00\x02": "", "\x00": "",
	} {
		if p := parsePacket(attrs(nil).add(attrSource, []byte(value))); string(p.Source) != want {
			t.Errorf("%q: source %q, want %q", value, p.Source, want)
		}
	}
}
