// Package origin is the private TLV by which a CPE tells the concentrator which
// LAN host a request is for. It is sent only to concentrators that asked for
// it, which dial servers with that host's address, or one made from it.
// docs/protocol.md has the bytes.
package origin

import (
	"net/netip"

	"tandem/shared/convert"
)

// Type is the type of the TLV.
const Type convert.Type = 204

// Missing is the private Error with which a concentrator that wants the TLV
// answers a Connect without it. The CPE sends the request again, with it.
const Missing convert.Code = 193

const (
	format = 1

	kindAddress = 0
	kindWanted  = 1
)

// Wanted is the TLV in answers to Info and Hold: from now on, name the LAN host.
// An answer to one of these without it takes that back.
func Wanted() convert.Raw { return convert.Raw{Type: Type, Value: []byte{format, kindWanted}} }

// IsWanted tells whether an answer has Wanted.
func IsWanted(m *convert.Message) bool {
	r, ok := m.Lookup(Type)
	return ok && len(r.Value) == 2 && r.Value[0] == format && r.Value[1] == kindWanted
}

// Of is the TLV in a request for the LAN host with that address.
func Of(host netip.Addr) convert.Raw {
	value := make([]byte, 18)
	value[0], value[1] = format, kindAddress
	a := host.As16()
	copy(value[2:], a[:])
	return convert.Raw{Type: Type, Value: value}
}

// Host returns the address of the LAN host that a request names; not valid: it
// names none.
func Host(m *convert.Message) (host netip.Addr) {
	r, ok := m.Lookup(Type)
	if !ok || len(r.Value) != 18 || r.Value[0] != format || r.Value[1] != kindAddress {
		return host
	}
	return netip.AddrFrom16([16]byte(r.Value[2:])).Unmap()
}
