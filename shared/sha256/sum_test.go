package sha256

import (
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"
)

// From FIPS 180-2, appendix B.
func TestKnown(t *testing.T) {
	for text, want := range map[string]string{
		"":    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"abc": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq": "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
		strings.Repeat("a", 1_000_000):                             "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
	} {
		for name, f := range map[string]func([]byte) [Size]byte{"sum": sum, "Sum256": Sum256} {
			if got := f([]byte(text)); hex.EncodeToString(got[:]) != want {
				t.Errorf("%s of %d bytes: %x, want %s", name, len(text), got, want)
			}
		}
	}
}

// Every length up to some blocks, at every alignment.
func TestLengths(t *testing.T) {
	b := make([]byte, 5*BlockSize)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(b)
	for from := range 8 {
		for to := from; to <= len(b); to++ {
			if got, want := sum(b[from:to]), sha256.Sum256(b[from:to]); got != want {
				t.Fatalf("bytes %d to %d: %x, want %x", from, to, got, want)
			}
		}
	}
}

func FuzzSum(f *testing.F) {
	f.Add([]byte("abc"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, want := sum(b), sha256.Sum256(b); got != want {
			t.Errorf("%x, want %x", got, want)
		}
	})
}

func BenchmarkSum(b *testing.B) {
	p := make([]byte, 200) // about a signed request
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		sum(p)
	}
}

func BenchmarkStandard(b *testing.B) {
	p := make([]byte, 200)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		sha256.Sum256(p)
	}
}
