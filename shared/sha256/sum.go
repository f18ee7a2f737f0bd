// Package sha256 is SHA-256 (FIPS 180-4) for the processors of small routers.
//
// crypto/sha256 brings AES, SHA-3, HMAC and a random number generator along,
// whose self-tests are linked whether they run or not: 0.14 MB of a router's
// program, where a sum is taken of some hundred bytes a connection. Processors
// that have instructions for it, and storage, use crypto/sha256 (fast.go).
package sha256

import (
	"encoding/binary"
	"math/bits"
)

const (
	Size      = 32 // bytes of a sum
	BlockSize = 64
)

// start is the first 32 bits of the fractional parts of the square roots of the
// first 8 primes.
var start = [8]uint32{
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
	0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
}

// round is the same of the cube roots of the first 64.
var round = [64]uint32{
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5,
	0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
	0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
	0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
	0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
	0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5,
	0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
	0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
}

// sum is section 6.2: whole blocks, then what is left with its padding.
func sum(b []byte) (s [Size]byte) {
	h := start
	whole := len(b) / BlockSize * BlockSize
	for at := 0; at < whole; at += BlockSize {
		block(&h, (*[BlockSize]byte)(b[at:]))
	}
	var last [2 * BlockSize]byte
	n := copy(last[:], b[whole:])
	last[n] = 0x80
	size := BlockSize
	if n+1+8 > BlockSize {
		size = 2 * BlockSize
	}
	binary.BigEndian.PutUint64(last[size-8:], uint64(len(b))*8)
	for at := 0; at < size; at += BlockSize {
		block(&h, (*[BlockSize]byte)(last[at:]))
	}
	for i, v := range h {
		binary.BigEndian.PutUint32(s[4*i:], v)
	}
	return s
}

// block is section 6.2.2.
func block(h *[8]uint32, p *[BlockSize]byte) {
	var w [64]uint32
	for t := range 16 {
		w[t] = binary.BigEndian.Uint32(p[4*t:])
	}
	for t := 16; t < 64; t++ {
		x, y := w[t-2], w[t-15]
		s1 := bits.RotateLeft32(x, -17) ^ bits.RotateLeft32(x, -19) ^ x>>10
		s0 := bits.RotateLeft32(y, -7) ^ bits.RotateLeft32(y, -18) ^ y>>3
		w[t] = s1 + w[t-7] + s0 + w[t-16]
	}
	a, b, c, d, e, f, g, x := h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7]
	for t := range 64 {
		s1 := bits.RotateLeft32(e, -6) ^ bits.RotateLeft32(e, -11) ^ bits.RotateLeft32(e, -25)
		t1 := x + s1 + (e&f ^ ^e&g) + round[t] + w[t]
		s0 := bits.RotateLeft32(a, -2) ^ bits.RotateLeft32(a, -13) ^ bits.RotateLeft32(a, -22)
		t2 := s0 + (a&b ^ a&c ^ b&c)
		a, b, c, d, e, f, g, x = t1+t2, a, b, c, d+t1, e, f, g
	}
	for i, v := range [8]uint32{a, b, c, d, e, f, g, x} {
		h[i] += v
	}
}
