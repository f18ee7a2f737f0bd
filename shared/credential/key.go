package credential

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"

	"tandem/shared/random"
)

// KeyLen is the length of a key in bytes.
const KeyLen = 32

// hidden is printed instead of a key.
const hidden = "[key]"

// Key is the 256-bit secret that one client shares with its converter. It
// never shows when printed, logged or marshalled. The bytes are inside a
// function because fmt reads unexported fields of a struct without asking their
// methods, and some verbs even follow a pointer; of a function it prints the
// address. Keys are compared by Equal.
type Key struct {
	secret func() *[KeyLen]byte
}

// NewKey returns a new random key with a new id.
func NewKey() (KeyID, Key) {
	var id KeyID
	var b [KeyLen]byte
	random.Read(id[:])
	random.Read(b[:])
	return id, newKey(b)
}

func newKey(b [KeyLen]byte) Key {
	return Key{func() *[KeyLen]byte { return &b }}
}

// KeyFrom returns the key with these 32 bytes. All zeros is no key.
func KeyFrom(b []byte) (Key, error) {
	switch {
	case len(b) != KeyLen:
		return Key{}, fmt.Errorf("a key has %d bytes, not %d", KeyLen, len(b))
	case [KeyLen]byte(b) == [KeyLen]byte{}:
		return Key{}, errors.New("the key is all zeros")
	}
	return newKey([KeyLen]byte(b)), nil
}

// Reveal appends the bytes of the key to b: nothing for the zero Key. Only
// what writes the pairing line or the file of keys has a use for it.
func (k Key) Reveal(b []byte) []byte {
	if k.secret == nil {
		return b
	}
	return append(b, k.secret()[:]...)
}

// IsZero says whether k is the zero Key, which is none.
func (k Key) IsZero() bool { return k.secret == nil }

// Equal compares in constant time.
func (k Key) Equal(other Key) bool {
	if k.secret == nil || other.secret == nil {
		return k.secret == nil && other.secret == nil
	}
	return subtle.ConstantTimeCompare(k.secret()[:], other.secret()[:]) == 1
}

// String does not show the key.
func (k Key) String() string { return hidden }

// Format does not show the key, whatever the verb.
func (k Key) Format(f fmt.State, _ rune) { io.WriteString(f, hidden) }

// MarshalText does not show the key: what stores it calls Reveal.
func (k Key) MarshalText() ([]byte, error) { return []byte(hidden), nil }
