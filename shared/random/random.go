// Package random is the kernel's random numbers. In place of crypto/rand: that
// links a generator, and the AES and SHA-3 under it, that only FIPS mode uses,
// 0.06 MB of a router's program and 32 MB of its address space (Go 1.26).
package random

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Read fills b. Early at boot it waits until the kernel has enough to make
// numbers from. It never fails: getrandom(2) has no error that can be met with
// a valid buffer, and there is no way to go on without.
func Read(b []byte) {
	for len(b) > 0 {
		n, err := unix.Getrandom(b, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			panic(fmt.Sprintf("getrandom: %v", err))
		}
		b = b[n:]
	}
}

// Reader is Read as an io.Reader.
type Reader struct{}

func (Reader) Read(b []byte) (int, error) {
	Read(b)
	return len(b), nil
}
