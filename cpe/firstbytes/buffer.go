// Package firstbytes holds what a LAN host said before the concentrator has
// answered, with room in front for the Convert request, so that both go out in
// one write.
package firstbytes

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"tandem/shared/nocmp"
	"tandem/shared/relay"
)

const (
	headroom = 1020     // the longest Convert message
	capacity = 16 << 10 // more than an initial window of ten segments
)

// Buffer is borrowed from a pool; give it back with Release.
type Buffer struct {
	_   nocmp.Field
	mem [headroom + capacity]byte
	n   int
	EOF bool // the LAN host will send nothing more
}

var pool = sync.Pool{New: func() any { return new(Buffer) }}

// New returns an empty buffer.
func New() *Buffer {
	b := pool.Get().(*Buffer)
	b.n, b.EOF = 0, false
	return b
}

// Release gives the buffer back; it must not be used any more.
func (b *Buffer) Release() { pool.Put(b) }

// Bytes returns what has been read.
func (b *Buffer) Bytes() []byte { return b.mem[headroom : headroom+b.n] }

// With returns request and the bytes behind it as one slice, valid until the
// next call.
func (b *Buffer) With(request []byte) []byte {
	start := headroom - len(request)
	copy(b.mem[start:], request)
	return b.mem[start : headroom+b.n]
}

// Wait reads the first bytes, waiting for them at most d.
func (b *Buffer) Wait(c *relay.Socket, d time.Duration) error {
	if d <= 0 {
		return b.Take(c)
	}
	_ = c.SetReadDeadline(time.Now().Add(d))
	n, err := c.Read(b.mem[headroom+b.n:])
	_ = c.SetReadDeadline(time.Time{})
	b.n += n
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil
	case err == io.EOF:
		b.EOF = true
		return nil
	}
	return err
}

// Take reads what has arrived, without waiting.
func (b *Buffer) Take(c *relay.Socket) error {
	if b.EOF || b.n == capacity {
		return nil
	}
	n, err := c.ReadNow(b.mem[headroom+b.n:])
	switch {
	case err == unix.EAGAIN:
		return nil
	case err != nil:
		return err
	case n == 0:
		b.EOF = true
	}
	b.n += n
	return nil
}
