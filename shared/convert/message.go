package convert

import "errors"

// ErrShort means that the bytes so far can still become a message: read more.
// It is returned unwrapped, together with the length to read up to.
var ErrShort = errors.New("convert: message not complete")

// Message is one Convert message (RFC 8803 section 6). A flag says that a TLV
// is there even where its value is empty; Append also writes a TLV whose value
// is set without its flag. The zero Message is the bare header, which a
// converter may send as success for a base Connect.
//
// After Parse all slices alias the bytes parsed.
type Message struct {
	Info bool // asks for the supported TCP extensions

	HasConnect bool
	Connect    Connect

	HasExtendedHeader bool
	ExtendedHeader    []byte // TCP options of the server's SYN+ACK, as they came

	HasSupported bool
	Supported    []byte // TCP option kinds, one a byte

	HasCookie bool
	Cookie    []byte // opaque; 4*k bytes when read

	HasError bool
	Error    Error

	// Private holds the TLVs of types 192 to 255 as they came, each type at
	// most once, at most MaxPrivate of them.
	Private []Raw
}

// Raw is a private TLV. Its value is 4*k-2 bytes when read: the sender's value
// and the zeros it was padded with.
type Raw struct {
	Type Type
	// Offset is the byte of the message at which the TLV (its Type byte) starts;
	// the value starts two bytes on. Set by Parse, ignored by Append. What
	// authenticates the bytes before a tag must also check that its TLV is the
	// last of the message (End), or bytes behind it could be added freely.
	Offset int
	Value  []byte
}

// End is the byte of the message behind the TLV; of the last TLV, Total
// Length. It holds for parsed values only.
func (r Raw) End() int { return r.Offset + 2 + len(r.Value) }

// Lookup returns the private TLV of type t.
func (m *Message) Lookup(t Type) (Raw, bool) {
	for _, r := range m.Private {
		if r.Type == t {
			return r, true
		}
	}
	return Raw{}, false
}

// Supports says whether a Supported TCP Extensions TLV lists the option kind.
func (m *Message) Supports(kind byte) bool {
	for _, k := range m.Supported {
		if k == kind && kind != 0 {
			return true
		}
	}
	return false
}

// Length reads the fixed header: it returns Total Length in bytes, 4 to
// MaxMessage. With fewer than HeaderLen bytes it returns HeaderLen and
// ErrShort; else it fails with a *SyntaxError as a converter sees it.
func Length(b []byte) (int, error) {
	n, f := header(b)
	switch {
	case f.bad():
		return 0, f.err(FromClient)
	case len(b) < HeaderLen:
		return n, ErrShort
	}
	return n, nil
}

// header judges the magic first: bytes without it are not Convert at all, and
// must not be answered with an Error about their "version".
func header(b []byte) (n int, f SyntaxError) {
	switch {
	case len(b) > 2 && b[2] != Magic>>8, len(b) > 3 && b[3] != Magic&0xff:
		return 0, SyntaxError{What: "magic is wrong, not a convert message", Offset: 2, Reply: Reply{Action: Close}}
	case len(b) < HeaderLen:
		return HeaderLen, f
	case b[0] != Version:
		return 0, SyntaxError{What: "version is not 1",
			Reply: Reply{Action: SendError, Code: UnsupportedVersion, Value: Version}}
	case b[1] == 0:
		return 0, SyntaxError{What: "total length is 0", Offset: 1, Reply: Reply{Action: Reset}}
	}
	return 4 * int(b[1]), f
}

// Parse reads the message at the start of b, sent by the side from, into m,
// whose slices it reuses. It returns the length n of the message in bytes:
// user data starts at b[n]. Nothing behind b[n-1] is looked at.
//
// While b is the start of what may become a message it returns ErrShort and in
// n the length that b must have for more to be known: HeaderLen, then Total
// Length. Any other error is a *SyntaxError, which carries the reaction the
// RFC asks for. Where its Complete is set, m holds every TLV that was
// acceptable and n is the length, so that the sender can be authenticated
// before it is answered.
func (m *Message) Parse(b []byte, from Side) (n int, err error) {
	*m = Message{Private: m.Private[:0]}
	n, f := header(b)
	if f.bad() {
		return 0, f.err(from)
	}
	if len(b) < n {
		return n, ErrShort
	}
	if f = m.parseTLVs(b[:n:n], from); f.bad() {
		return n, f.err(from)
	}
	return n, nil
}

// parseTLVs walks the TLVs of one whole message. The first fault is the one
// reported. One inside a TLV does not end the walk, so that private TLVs
// behind it are still found; one in the framing does.
func (m *Message) parseTLVs(b []byte, from Side) (first SyntaxError) {
	var seen [4]uint64
	if len(b) == HeaderLen && from == FromClient {
		first = malformed(0, 1, "no tlv")
		first.Complete = true
		return first
	}
	for at, size := HeaderLen, 0; at < len(b); at += size {
		t, f := Type(b[at]), SyntaxError{}
		size = 4 * int(b[at+1])
		word, bit := t>>6, uint64(1)<<(t&63)
		switch {
		case !t.known(): // before its length: type 0 is Error 2 whatever follows
			f = SyntaxError{What: "type is unknown or reserved", Type: t, Offset: at,
				Reply: Reply{Action: SendError, Code: UnsupportedMessage}}
		case size == 0 || size > len(b)-at:
			// the framing fault below
		case seen[word]&bit != 0:
			f = malformed(t, at, "duplicate")
		case !t.sentBy(from):
			f = malformed(t, at, "not for this direction")
		default:
			f = m.parseTLV(t, b[at:at+size], at, from)
		}
		seen[word] |= bit
		if f.bad() && !first.bad() {
			first = f
		}
		if size == 0 || size > len(b)-at {
			if !first.bad() {
				first = malformed(t, at, "length is 0")
				if size != 0 {
					first.What = "length reaches past the message"
				}
			}
			return first
		}
	}
	first.Complete = first.bad()
	return first
}

// parseTLV stores one TLV, given with its Type and Length bytes.
func (m *Message) parseTLV(t Type, tlv []byte, at int, from Side) (f SyntaxError) {
	switch t {
	case TypeInfo:
		if len(tlv) != 4 {
			return malformed(t, at, "length is not 1")
		}
		m.Info = true
	case TypeConnect:
		c, f := parseConnect(tlv, at, from)
		if f.bad() {
			return f
		}
		m.HasConnect, m.Connect = true, c
	case TypeExtendedHeader:
		m.HasExtendedHeader, m.ExtendedHeader = true, tlv[4:]
	case TypeSupported:
		m.HasSupported, m.Supported = true, trimZeros(tlv[4:])
	case TypeCookie:
		m.HasCookie, m.Cookie = true, tlv[4:]
	case TypeError:
		m.HasError, m.Error = true, Error{Code: Code(tlv[2]), Value: tlv[3:]}
	default:
		if len(m.Private) == MaxPrivate {
			return malformed(t, at, "too many private tlvs")
		}
		m.addPrivate(Raw{Type: t, Offset: at, Value: tlv[2:]})
	}
	return f
}

// addPrivate grows in two steps, 4 and MaxPrivate, so that both together stay
// below MaxMessage bytes.
func (m *Message) addPrivate(r Raw) {
	if n := len(m.Private); n == cap(m.Private) {
		size := 4
		if n >= size {
			size = MaxPrivate
		}
		m.Private = append(make([]Raw, 0, size), m.Private...)
	}
	m.Private = append(m.Private, r)
}

func trimZeros(b []byte) []byte {
	for len(b) > 0 && b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	return b
}
