package pairing

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"tandem/shared/credential"
	"tandem/shared/sha256"
)

const (
	version = 1
	headLen = 3 // version and length
	sumLen  = 4

	minContent = headLen + 8 + credential.KeyLen + 2 + 2 + 3 + sumLen
	maxContent = headLen + 8 + credential.KeyLen + 2 + 1 + MaxName + 2 + maxHost + sumLen
)

// content is the bytes of a line that has been checked.
func (l *Line) content() []byte {
	b := append([]byte{version, 0, 0}, l.ID[:]...)
	b = l.Key.Reveal(b)
	b = binary.BigEndian.AppendUint16(b, l.Port)
	b = append(append(b, byte(len(l.Client))), l.Client...)
	b = append(b, byte(len(l.Addresses)))
	for _, a := range l.Addresses {
		if a.Is4() {
			b = append(b, 4)
		} else {
			b = append(b, 6)
		}
		b = append(b, a.AsSlice()...)
	}
	if len(l.Addresses) == 0 {
		b = append(append(b, byte(len(l.Host))), l.Host...)
	}
	binary.BigEndian.PutUint16(b[1:], uint16(len(b)+sumLen))
	return append(b, checksum(b)...)
}

func checksum(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:sumLen]
}

var errContent = errors.New("pairing line: right checksum, but not made by a Tandem concentrator")

// parseContent reads what content writes, and nothing else. Length, version and
// checksum are right.
func parseContent(b []byte) (Line, error) {
	r := reader{rest: b[headLen : len(b)-sumLen]}
	l := Line{ID: credential.KeyID(r.take(8))}
	key, err := credential.KeyFrom(r.take(credential.KeyLen))
	if err != nil {
		return Line{}, errContent
	}
	l.Key = key
	l.Port = binary.BigEndian.Uint16(r.take(2))
	l.Client = string(r.take(r.number()))
	n := r.number()
	if n == 0 {
		l.Host = string(r.take(r.number()))
	}
	for ; n > 0 && !r.short; n-- {
		switch r.number() {
		case 4:
			l.Addresses = append(l.Addresses, netip.AddrFrom4([4]byte(r.take(4))))
		case 6:
			l.Addresses = append(l.Addresses, netip.AddrFrom16([16]byte(r.take(16))))
		default:
			return Line{}, errContent
		}
	}
	if r.short || len(r.rest) > 0 {
		return Line{}, errContent
	}
	if err := l.check(); err != nil {
		return Line{}, err
	}
	return l, nil
}

// reader takes bytes off the front. Where there are too few it says so at the
// end, and returns zeros until then.
type reader struct {
	rest  []byte
	short bool
}

func (r *reader) take(n int) []byte {
	if n > len(r.rest) {
		r.short, r.rest = true, nil
		return make([]byte, n)
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) number() int { return int(r.take(1)[0]) }
