package relay

import "sync"

// Buffers are borrowed for a turn, and kept by a direction only while it has
// bytes that it cannot get rid of. They grow with its rate: a slow direction
// that is stalled holds little memory, a fast one needs few system calls.
var bufferSizes = [...]int{16 << 10, 64 << 10, largest}

const largest = 256 << 10

type buffer struct {
	bytes []byte
	class uint8
}

type buffers struct{ pools [len(bufferSizes)]sync.Pool }

func (b *buffers) get(class uint8) *buffer {
	if buf, ok := b.pools[class].Get().(*buffer); ok {
		return buf
	}
	return &buffer{make([]byte, bufferSizes[class]), class}
}

func (b *buffers) put(buf *buffer) { b.pools[buf.class].Put(buf) }
