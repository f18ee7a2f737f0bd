package credential

import (
	"encoding/hex"
	"fmt"
	"time"

	"tandem/shared/convert"
)

// The private TLVs of Tandem.
const (
	TypeCredential convert.Type = 200
	TypeProof      convert.Type = 201
	// TypeHold parks the connection: it has no value, and a second message
	// follows later on the same connection.
	TypeHold convert.Type = 202
)

// WrongTime is the private Error that carries the converter's time. It is
// believed only with a Proof beside it.
const WrongTime convert.Code = 192

// Len is the length of a Credential TLV, ProofLen of a Proof TLV, in bytes.
const (
	Len      = 44
	ProofLen = 20
)

// The window of accepted times, as the converter's clock sees them.
//
// A credential may be MaxAge old: a SYN is sent again after 1, 3, 7, 15, 31 and
// 63 s on a bad line and keeps the time of the first. The converter remembers
// nonces for that long, so more costs memory.
//
// It may be MaxAhead early only. After an unclean restart the converter trusts
// no time that could have been used before it (floor in clock.go), and this is
// how far that reaches. A client further ahead corrects itself in one retry.
const (
	MaxAge   = 120 * time.Second
	MaxAhead = 10 * time.Second
)

// Offsets within the two TLVs.
const (
	format = 1

	atFormat = 2
	atCopy   = 3
	atID     = 4
	atTime   = 12
	atNonce  = 20
	atTag    = 28

	atProofTag = 4

	tagLen = 16
)

// KeyID names a key: 8 random bytes, chosen with the key. A client has two of
// them while its key is replaced. It is no secret; it travels in clear.
type KeyID [8]byte

// ParseKeyID reads the 16 hexadecimal digits that String writes.
func ParseKeyID(s string) (id KeyID, err error) {
	if len(s) != 2*len(id) {
		return id, fmt.Errorf("key id %q: must have %d hexadecimal digits", s, 2*len(id))
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return KeyID{}, fmt.Errorf("key id %q: must have %d hexadecimal digits", s, 2*len(id))
	}
	return id, nil
}

// String is the id as 16 hexadecimal digits.
func (id KeyID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText is String, and nothing for the zero id.
func (id KeyID) MarshalText() ([]byte, error) {
	if id == (KeyID{}) {
		return nil, nil
	}
	return []byte(id.String()), nil
}

// Nonce is what makes a credential unique: 8 random bytes, new for each
// message. The Proof in the answer covers it.
type Nonce [8]byte
