package random

import (
	"bytes"
	"io"
	"testing"
)

// Of 1,000 bytes every part is filled, and differently each time.
func TestRead(t *testing.T) {
	first, second := make([]byte, 1000), make([]byte, 1000)
	Read(first)
	if _, err := io.ReadFull(Reader{}, second); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(first); i += 100 {
		part, other := first[i:i+100], second[i:i+100]
		if bytes.Equal(part, make([]byte, 100)) || bytes.Equal(part, other) {
			t.Errorf("bytes %d to %d: %x and %x", i, i+100, part, other)
		}
	}
	Read(nil)
}
