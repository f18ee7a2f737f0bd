package receive

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"tandem/shared/convert"
)

// stream is a connection whose other end sends data in pieces of size bytes.
type stream struct {
	net.Conn // nil: nothing but these is called
	data     []byte
	size     int
}

func (s *stream) Read(b []byte) (int, error) {
	if len(s.data) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), s.size)], s.data)
	s.data = s.data[n:]
	return n, nil
}

func (s *stream) SetReadDeadline(time.Time) error { return nil }

// FuzzRequest: whatever arrives, in whatever pieces, by a Request that was used
// before: the verdict and the answer are the same, no byte is lost, and who may
// not be answered is sent nothing.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		"01062263" + connect4, "01062263" + connect4 + "474554202f", "010b2263" + connect4 + connect4, "01002263", "02062263" + connect4,
		"01022263 63010000", "01022263 01010000", "0102226300010000", "010222630a000000", "010622630a0501bb00000000000000000000ffff7f000001",
		"01072263 16020000 00112233" + connect4, "474554202f20485454502f312e310d0a",
	} {
		f.Add(unhex(seed), 3)
	}
	var pool Pool
	f.Fuzz(func(t *testing.T, in []byte, size int) {
		if size < 1 {
			return
		}
		r, whole := pool.Get(), new(Request)
		defer pool.Put(r)
		err := r.Read(&stream{data: in, size: size}, time.Time{})
		werr := whole.Read(&stream{data: in, size: len(in) + 1}, time.Time{})
		if (err == nil) != (werr == nil) {
			t.Fatalf("in pieces: %v, at once: %v", err, werr)
		}
		if err == nil {
			got := append(bytes.Clone(r.Bytes()), r.Early()...)
			if !bytes.HasPrefix(in, got) || !bytes.Equal(r.Bytes(), whole.Bytes()) || !bytes.Equal(r.Cookie(), whole.Cookie()) {
				t.Fatalf("kept %x, at once %x, of %x", got, whole.Bytes(), in)
			}
			return
		}
		told, action := r.Refuse(nil, err, true)
		if len(told) > convert.MaxMessage || (len(told) > 0) != (action == convert.SendError) {
			t.Fatalf("action %v with %x", action, told)
		}
		var syntax *convert.SyntaxError
		if len(told) > 0 && !errors.As(err, &syntax) {
			t.Fatalf("%v is answered with %x", err, told)
		}
		if silent, action := r.Refuse(nil, err, false); len(silent) > 0 || action == convert.SendError {
			t.Fatalf("a stranger is told %x", silent)
		}
	})
}
