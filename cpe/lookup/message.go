package lookup

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
)

// Types and codes of RFC 1035 and RFC 3596.
const (
	typeA    = 1
	typeAAAA = 28
	classIN  = 1

	headerLen = 12
	maxAnswer = 4096

	flagsQuery     = 0x0100 // recursion desired
	flagResponse   = 0x8000
	flagTruncated  = 0x0200
	codeMask       = 0x000f
	codeNoSuchName = 3
)

var (
	errMessage   = errors.New("the answer is not one")
	errTruncated = errors.New("the answer is too long for a datagram")
	errNoName    = errors.New("there is no such name")
	errServer    = errors.New("the name server refuses or fails")
)

// appendQuery appends the question for the addresses of one type that host
// has. Host is a name of letters, digits, dashes and dots (package pairing).
func appendQuery(b []byte, id uint16, host string, kind uint16) ([]byte, error) {
	b = binary.BigEndian.AppendUint16(b, id)
	b = binary.BigEndian.AppendUint16(b, flagsQuery)
	b = append(b, 0, 1, 0, 0, 0, 0, 0, 0)
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		if len(label) == 0 || len(label) > 63 {
			return nil, errNoName
		}
		b = append(append(b, byte(len(label))), label...)
	}
	b = append(b, 0)
	b = binary.BigEndian.AppendUint16(b, kind)
	return binary.BigEndian.AppendUint16(b, classIN), nil
}

// parseAnswer returns the addresses in the answer to query. The name server
// has followed aliases; whatever it gives is taken.
func parseAnswer(b, query []byte) (addrs []netip.Addr, err error) {
	if len(b) < len(query) || b[0] != query[0] || b[1] != query[1] {
		return nil, errMessage
	}
	flags := binary.BigEndian.Uint16(b[2:])
	switch {
	case flags&flagResponse == 0 || binary.BigEndian.Uint16(b[4:]) != 1 ||
		!strings.EqualFold(string(b[headerLen:len(query)]), string(query[headerLen:])):
		return nil, errMessage
	case flags&codeMask == codeNoSuchName:
		return nil, errNoName
	case flags&codeMask != 0:
		return nil, errServer
	case flags&flagTruncated != 0:
		return nil, errTruncated
	}
	at := len(query)
	for range binary.BigEndian.Uint16(b[6:]) {
		if at, err = skipName(b, at); err != nil {
			return nil, err
		}
		if len(b)-at < 10 {
			return nil, errMessage
		}
		kind, class := binary.BigEndian.Uint16(b[at:]), binary.BigEndian.Uint16(b[at+2:])
		n := int(binary.BigEndian.Uint16(b[at+8:]))
		at += 10
		if len(b)-at < n {
			return nil, errMessage
		}
		switch {
		case class != classIN:
		case kind == typeA && n == 4, kind == typeAAAA && n == 16:
			a, _ := netip.AddrFromSlice(b[at : at+n])
			addrs = append(addrs, a.Unmap())
		}
		at += n
	}
	return addrs, nil
}

// skipName steps over a name, which ends in a zero byte or in a pointer to
// where it goes on (RFC 1035 section 4.1.4).
func skipName(b []byte, at int) (int, error) {
	for at < len(b) {
		switch n := int(b[at]); {
		case n == 0:
			return at + 1, nil
		case n >= 0xc0:
			return at + 2, nil
		case n > 63:
			return 0, errMessage
		default:
			at += 1 + n
		}
	}
	return 0, errMessage
}
