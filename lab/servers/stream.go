package servers

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
)

// NewStream returns an endless stream, the same bytes each time.
func NewStream() io.Reader { return rand.NewChaCha8([32]byte{'t', 'a', 'n', 'd', 'e', 'm'}) }

// Sum returns the SHA-256, in hex, of the first n bytes of the stream.
func Sum(n int64) string {
	h := sha256.New()
	io.CopyN(h, NewStream(), n)
	return hex.EncodeToString(h.Sum(nil))
}
