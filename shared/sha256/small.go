//go:build !amd64 && !arm64

package sha256

// Sum256 is the SHA-256 of b.
func Sum256(b []byte) [Size]byte { return sum(b) }
