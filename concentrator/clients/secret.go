package clients

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// Secret is a key's 256 bits. However it is printed, it says "[redacted]";
// only Reveal gives it away. It is held in a closure, so that a printer that
// reads unexported fields shows no more than an address: package fmt does read
// them, and follows pointers when a verb does not fit.
type Secret struct{ bits func() [32]byte }

const redacted = "[redacted]"

// NewSecret returns the Secret of these bits.
func NewSecret(bits [32]byte) Secret { return Secret{func() [32]byte { return bits }} }

// Reveal returns the bits: for computing a tag, for the pairing line and for
// the client's file, nothing else. The zero Secret's are zero.
func (s Secret) Reveal() [32]byte {
	if s.bits == nil {
		return [32]byte{}
	}
	return s.bits()
}

// Equal compares in constant time.
func (s Secret) Equal(t Secret) bool {
	a, b := s.Reveal(), t.Reveal()
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// String does not give it away.
func (s Secret) String() string { return redacted }

// GoString does not give it away.
func (s Secret) GoString() string { return redacted }

// Format does not give it away, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText does not give it away.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue does not give it away.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
