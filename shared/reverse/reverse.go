// Package reverse is what the two ends say to each other about connections from
// outside: remote hosts that want to reach a LAN host through the concentrator.
// RFC 8803 section 6.2.5 has the Connect TLV of a converter for it, which names
// the remote host; the rest is in private TLVs. docs/protocol.md has the bytes.
//
// The concentrator writes its request on a connection that the CPE has parked,
// with a Proof over the nonce of its Hold. The CPE answers with a message that
// it signs like any other. Then come the remote host's bytes.
package reverse

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"tandem/shared/convert"
	"tandem/shared/credential"
)

// Type is the private TLV that says of a message that it is about a connection
// from outside.
const Type convert.Type = 203

const (
	format = 1

	kindRequest = 0
	kindAnswer  = 1

	requestLen = 22 // format, kind, port, port, address
	answerLen  = 6  // format, kind, code, reserved
)

// Request is the wish of a remote host.
type Request struct {
	Remote   netip.AddrPort // whose connection it is
	External uint16         // port of the concentrator that it came to
	To       netip.AddrPort // LAN host, where the concentrator's operator names it; not valid: the CPE knows
}

// AppendRequest appends the message to be written on the connection that was
// parked with the credential that hold is the verdict on.
func AppendRequest(b []byte, r Request, hold credential.Result) ([]byte, error) {
	value := make([]byte, requestLen)
	value[0], value[1] = format, kindRequest
	binary.BigEndian.PutUint16(value[2:], r.External)
	if r.To.IsValid() {
		binary.BigEndian.PutUint16(value[4:], r.To.Port())
		a := r.To.Addr().As16()
		copy(value[6:], a[:])
	}
	m := convert.Message{HasConnect: true, Connect: convert.Connect{Addr: r.Remote}, Private: []convert.Raw{{Type: Type, Value: value}}}
	n := len(b)
	out, err := m.Append(b)
	if err != nil {
		return b, err
	}
	signed, err := hold.AppendProof(out[n:])
	return append(out[:n], signed...), err
}

// ParseRequest reads a message from a converter; false: it is another one. The
// caller checks its Proof.
func ParseRequest(m *convert.Message) (r Request, ok bool) {
	v, ok := value(m, kindRequest, requestLen)
	if !ok || !m.HasConnect {
		return r, false
	}
	r.Remote, r.External = m.Connect.Addr, binary.BigEndian.Uint16(v[2:])
	if port := binary.BigEndian.Uint16(v[4:]); port != 0 {
		r.To = netip.AddrPortFrom(netip.AddrFrom16([16]byte(v[6:])).Unmap(), port)
	}
	return r, true
}

// Accepted is the code of an answer that lets the connection go on; the others
// are those of RFC 8803 section 6.2.8: 32, 96 and 97.
const Accepted convert.Code = 0

// AppendAnswer appends the CPE's answer, signed.
func AppendAnswer(b []byte, code convert.Code, s *credential.Signer) ([]byte, error) {
	m := convert.Message{Private: []convert.Raw{{Type: Type, Value: []byte{format, kindAnswer, byte(code), 0, 0, 0}}}}
	n := len(b)
	out, err := m.Append(b)
	if err != nil {
		return b, err
	}
	signed, _, err := s.Append(out[n:])
	return append(out[:n], signed...), err
}

// ParseAnswer reads a message from a client; false: it is another one. The
// caller verifies its Credential.
func ParseAnswer(m *convert.Message) (code convert.Code, ok bool) {
	v, ok := value(m, kindAnswer, answerLen)
	if !ok {
		return 0, false
	}
	return convert.Code(v[2]), true
}

func value(m *convert.Message, kind byte, length int) ([]byte, bool) {
	r, ok := m.Lookup(Type)
	if !ok || len(r.Value) != length || r.Value[0] != format || r.Value[1] != kind {
		return nil, false
	}
	return r.Value, true
}

// Ports is First to Last, both included.
type Ports struct {
	First uint16 `json:"first"`
	Last  uint16 `json:"last"`
}

// ParsePorts reads "2222" or "20000-20099".
func ParsePorts(s string) (Ports, error) {
	low, high, two := strings.Cut(s, "-")
	if !two {
		high = low
	}
	first, err1 := strconv.ParseUint(low, 10, 16)
	last, err2 := strconv.ParseUint(high, 10, 16)
	if err1 != nil || err2 != nil || first == 0 || last < first {
		return Ports{}, fmt.Errorf("%q is not a port or range of ports, such as 2222 or 20000-20099", s)
	}
	return Ports{uint16(first), uint16(last)}, nil
}

// String is "2222" or "20000-20099".
func (p Ports) String() string {
	if p.First == p.Last {
		return strconv.Itoa(int(p.First))
	}
	return fmt.Sprintf("%d-%d", p.First, p.Last)
}

// Has tells whether port is one of them.
func (p Ports) Has(port uint16) bool { return p.First <= port && port <= p.Last }

// Overlaps tells whether p and q have a port in common.
func (p Ports) Overlaps(q Ports) bool { return p.First <= q.Last && q.First <= p.Last }

// MaxWanted is how many ranges of ports a CPE can ask for.
const MaxWanted = 32

// WantedValue is the value of a Hold TLV of a CPE that wants connections to
// these ports: two bytes of zeros, then first and last port of each range.
// Without any the value is empty.
func WantedValue(all []Ports) []byte {
	if len(all) == 0 {
		return nil
	}
	b := make([]byte, 2, 2+4*len(all))
	for _, p := range all {
		b = binary.BigEndian.AppendUint16(b, p.First)
		b = binary.BigEndian.AppendUint16(b, p.Last)
	}
	return b
}

// ParseWanted reads the value of a Hold TLV. What is no range is left out.
func ParseWanted(value []byte) (all []Ports) {
	for at := 2; at+4 <= len(value) && len(all) < MaxWanted; at += 4 {
		p := Ports{binary.BigEndian.Uint16(value[at:]), binary.BigEndian.Uint16(value[at+2:])}
		if p.First != 0 && p.First <= p.Last {
			all = append(all, p)
		}
	}
	return all
}
