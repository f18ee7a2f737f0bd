package credential

import (
	"tandem/shared/convert"
	"tandem/shared/sha256"
)

// mac is HMAC-SHA-256 (RFC 2104) with its key padded and XORed in advance. It
// is written out because crypto/hmac allocates: here all is on the stack.
type mac struct {
	inner, outer [sha256.BlockSize]byte
}

// newMAC takes a key of at most a block.
func newMAC(key []byte) (m mac) {
	copy(m.inner[:], key)
	m.outer = m.inner
	for i := range m.inner {
		m.inner[i] ^= 0x36
		m.outer[i] ^= 0x5c
	}
	return m
}

// sum is the HMAC of nonce and message, at most a Convert message together.
func (m *mac) sum(nonce, message []byte) [sha256.Size]byte {
	const block = sha256.BlockSize
	var buf [block + convert.MaxMessage]byte
	n := copy(buf[:], m.inner[:])
	n += copy(buf[n:], nonce)
	n += copy(buf[n:], message)
	inner := sha256.Sum256(buf[:n])
	copy(buf[:], m.outer[:])
	copy(buf[block:], inner[:])
	return sha256.Sum256(buf[:block+len(inner)])
}

// tag is the first half of the HMAC (RFC 2104 section 5).
func (m *mac) tag(nonce, message []byte) [tagLen]byte {
	sum := m.sum(nonce, message)
	return [tagLen]byte(sum[:tagLen])
}
