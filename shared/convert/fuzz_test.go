package convert

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

// seeds calls add with every worked example and every reject row.
func seeds(f *testing.F, add func(b []byte)) {
	for _, v := range vectors(f) {
		add(unhex(f, v.hex))
	}
	for _, r := range rejects() {
		add(unhex(f, r.hex))
	}
}

func side(fromConverter bool) Side {
	if fromConverter {
		return FromConverter
	}
	return FromClient
}

// checkBounds is what holds after any Parse.
func checkBounds(t *testing.T, m *Message, b []byte, n int, err error) {
	t.Helper()
	if n < 0 || n > MaxMessage || n > len(b) && err != ErrShort {
		t.Fatalf("length %d of %d bytes, %v", n, len(b), err)
	}
	if got := cap(m.Private) * int(unsafe.Sizeof(Raw{})); got > MaxMessage {
		t.Fatalf("%d bytes for private tlvs", got)
	}
	var e *SyntaxError
	if err != nil && err != ErrShort && !errors.As(err, &e) {
		t.Fatalf("unknown error %v", err)
	}
	if e == nil {
		return
	}
	if e.Offset < 0 || e.Offset >= len(b) {
		t.Fatalf("offset of %v is outside %d bytes", e, len(b))
	}
	if reply := e.Reply.Append(nil, b); len(reply) > 0 {
		var back Message
		if n, err := back.Parse(reply, FromConverter); err != nil || n != len(reply) || back.Error.Code != e.Reply.Code {
			t.Fatalf("reply %x to %x: %v", reply, b, err)
		}
	}
}

// FuzzRoundTrip: parse, append, parse again gives the same message, and what
// Append writes is stable and no longer than what was read.
func FuzzRoundTrip(f *testing.F) {
	seeds(f, func(b []byte) { f.Add(b, false); f.Add(b, true) })
	f.Fuzz(func(t *testing.T, b []byte, fromConverter bool) {
		var m Message
		n, err := m.Parse(b, side(fromConverter))
		checkBounds(t, &m, b, n, err)
		if err == ErrShort {
			if n <= len(b) {
				t.Fatalf("short with %d bytes, but asks for %d", len(b), n)
			}
			return
		}
		for _, r := range m.Private {
			if Type(b[r.Offset]) != r.Type || r.End()-r.Offset != 4*int(b[r.Offset+1]) || &b[r.Offset+2] != &r.Value[0] {
				t.Fatalf("private tlv %+v is not at its offset", r)
			}
		}
		if err != nil {
			return
		}
		for _, k := range []int{0, 1, 3, n / 2, n - 1} {
			if need, err := new(Message).Parse(b[:min(k, n-1)], side(fromConverter)); err != ErrShort || need <= k {
				t.Fatalf("first %d of %d bytes: %d, %v", k, n, need, err)
			}
		}
		wire, err := m.Append(nil)
		if err != nil || len(wire) > n || len(wire) != m.Len() {
			t.Fatalf("append: %x, %v", wire, err)
		}
		var again Message
		if n, err := again.Parse(wire, side(fromConverter)); err != nil || n != len(wire) {
			t.Fatalf("parse again: %d, %v", n, err)
		}
		wire2, err := again.Append(nil)
		if err != nil || !bytes.Equal(wire, wire2) {
			t.Fatalf("append again: want %x, got %x, %v", wire, wire2, err)
		}
		for _, p := range [][]Raw{m.Private, again.Private} {
			for i := range p {
				p[i].Offset = 0 // Append may have moved it
			}
		}
		if d := cmp.Diff(m, again, equateMessages); d != "" {
			t.Fatalf("(-first +again):\n%s", d)
		}
	})
}

// FuzzBounds: bytes behind Total Length change nothing.
func FuzzBounds(f *testing.F) {
	seeds(f, func(b []byte) { f.Add(b, []byte("user data"), false); f.Add(b, []byte{0xff}, true) })
	f.Fuzz(func(t *testing.T, b, tail []byte, fromConverter bool) {
		n, err := Length(b)
		if err != nil || n > len(b) {
			return
		}
		alone := b[:n:n]
		longer := append(append([]byte{}, alone...), tail...)
		flipped := append([]byte{}, longer...)
		for i := n; i < len(flipped); i++ {
			flipped[i] = ^flipped[i]
		}
		var want Message
		wantN, wantErr := want.Parse(alone, side(fromConverter))
		for _, other := range [][]byte{longer, flipped} {
			var got Message
			gotN, gotErr := got.Parse(other, side(fromConverter))
			checkBounds(t, &got, other, gotN, gotErr)
			if gotN != wantN || cmp.Diff(wantErr, gotErr) != "" {
				t.Fatalf("want %d, %v, got %d, %v", wantN, wantErr, gotN, gotErr)
			}
			if d := cmp.Diff(want, got, equateMessages); d != "" {
				t.Fatalf("(-alone +with tail):\n%s", d)
			}
			var e *SyntaxError
			if errors.As(gotErr, &e) && !bytes.Equal(e.Reply.Append(nil, other), e.Reply.Append(nil, alone)) {
				t.Fatal("user data is echoed")
			}
		}
	})
}

// FuzzRead: in whatever pieces a stream comes, ReadMessage says what Parse
// says, keeps every byte, and reads none once the message is whole.
func FuzzRead(f *testing.F) {
	seeds(f, func(b []byte) { f.Add(b, 3, false); f.Add(append(b, "user data"...), 50, true) })
	f.Fuzz(func(t *testing.T, b []byte, size int, fromConverter bool) {
		if size < 1 {
			return
		}
		buf := make([]byte, MaxMessage+8)
		copy(buf[MaxMessage:], "sentinel")
		var got, want Message
		n, have, err := ReadMessage(&chunks{data: b, size: size}, buf[:MaxMessage:MaxMessage+8], &got, side(fromConverter))
		if have > MaxMessage || have > len(b) || !bytes.Equal(buf[:have], b[:have]) || string(buf[MaxMessage:]) != "sentinel" {
			t.Fatalf("read %d of %d bytes: %x", have, len(b), buf)
		}
		wantN, wantErr := want.Parse(b[:have], side(fromConverter))
		if wantErr == ErrShort {
			if err == nil || n != 0 || have != len(b) {
				t.Fatalf("short: got %d, %d, %v", n, have, err)
			}
			return
		}
		if n != wantN || cmp.Diff(wantErr, err) != "" {
			t.Fatalf("want %d, %v, got %d, %v", wantN, wantErr, n, err)
		}
		if err == nil && have-n >= size {
			t.Fatalf("read %d bytes too many in pieces of %d", have-n, size)
		}
		if d := cmp.Diff(want, got, equateMessages); d != "" {
			t.Fatalf("(-parse +read):\n%s", d)
		}
	})
}

// FuzzAppend: what Append accepts, Parse gives back, but for padding.
func FuzzAppend(f *testing.F) {
	f.Add([]byte{203, 0, 113, 10}, uint16(443), []byte{30, 2}, []byte("cookie"), byte(0), []byte{}, byte(200), []byte("private"), false)
	f.Add([]byte{}, uint16(0), []byte{}, []byte{4, 8, 30}, byte(64), []byte{120}, byte(201), []byte{}, true)
	f.Fuzz(func(t *testing.T, ip []byte, port uint16, options, opaque []byte, code byte, value []byte, private byte, raw []byte, fromConverter bool) {
		var m Message
		if addr, ok := netip.AddrFromSlice(ip); ok {
			m.HasConnect, m.Connect = true, Connect{netip.AddrPortFrom(addr.Unmap(), port), options}
		}
		if fromConverter {
			m.HasSupported, m.Supported = true, opaque
			m.HasError, m.Error = true, Error{Code(code), value}
			m.HasExtendedHeader, m.ExtendedHeader = true, opaque
		} else {
			m.Info, m.HasCookie, m.Cookie = true, true, opaque
		}
		m.Private = []Raw{{Type: Type(private), Value: raw}}
		wire, err := m.Append([]byte("x"))
		if err != nil {
			if string(wire) != "x" {
				t.Fatalf("error %v, but %x written", err, wire)
			}
			return
		}
		var got Message
		n, err := got.Parse(wire[1:], side(fromConverter))
		if m.HasConnect && !fromConverter && Forbidden(m.Connect.Addr.Addr()) {
			if reaction(err) != "error 1" {
				t.Fatalf("forbidden destination: %v", err)
			}
			return
		}
		if err != nil || n != len(wire)-1 || n != m.Len() {
			t.Fatalf("%x: %d, %v", wire, n, err)
		}
		m.Supported = trimZeros(m.Supported)
		m.Cookie = padTo(m.Cookie, 4, 0)
		m.ExtendedHeader = padTo(m.ExtendedHeader, 4, 0)
		if m.HasError {
			m.Error.Value = padTo(m.Error.Value, 4, 1)
		}
		m.Private[0].Value = padTo(raw, 4, 2)
		m.Private[0].Offset = n - 2 - len(m.Private[0].Value)
		if d := cmp.Diff(m, got, equateMessages); d != "" {
			t.Fatalf("(-want +got):\n%s", d)
		}
	})
}

// padTo appends zeros until the length is rest modulo m.
func padTo(b []byte, m, rest int) []byte {
	b = append([]byte{}, b...)
	for len(b)%m != rest {
		b = append(b, 0)
	}
	return b
}
