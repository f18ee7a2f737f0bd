package convert

import (
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

// stubborn returns nothing, for ever.
type stubborn struct{}

func (stubborn) Read([]byte) (int, error) { return 0, nil }

// chunks delivers data in pieces of up to size bytes, with the last of them
// io.EOF too if glued.
type chunks struct {
	data  []byte
	size  int
	glued bool
}

func (c *chunks) Read(b []byte) (int, error) {
	if len(c.data) == 0 {
		return 0, io.EOF
	}
	n := copy(b, c.data[:min(c.size, len(c.data))])
	c.data = c.data[n:]
	if c.glued && len(c.data) == 0 {
		return n, io.EOF
	}
	return n, nil
}

func TestReadMessage(t *testing.T) {
	request := string(unhex(t, "01082263"+connectTLV+"c8020102 03040500"))
	boom := errors.New("boom")
	tests := []struct {
		name string
		r    io.Reader
		n    int
		rest string
		err  error
	}{
		{"at once", &chunks{data: []byte(request), size: 9999}, 32, "", nil},
		{"with user data", &chunks{data: []byte(request + "GET /"), size: 9999}, 32, "GET /", nil},
		{"byte by byte", &chunks{data: []byte(request + "GET /"), size: 1}, 32, "", nil},
		{"in fives", &chunks{data: []byte(request + "GET /"), size: 5}, 32, "GET", nil},
		{"end with the last byte", &chunks{data: []byte(request), size: 9999, glued: true}, 32, "", nil},
		{"end with a part", &chunks{data: []byte(request[:20]), size: 9999, glued: true}, 0, "", io.ErrUnexpectedEOF},
		{"end after a part", &chunks{data: []byte(request[:20]), size: 7}, 0, "", io.ErrUnexpectedEOF},
		{"end", &chunks{}, 0, "", io.EOF},
		{"error", iotest.ErrReader(boom), 0, "", boom},
		{"error after a part", io.MultiReader(&chunks{data: []byte(request[:5]), size: 3}, iotest.ErrReader(boom)), 0, "", boom},
		{"no progress", stubborn{}, 0, "", io.ErrNoProgress},
		{"more user data than fits", &chunks{data: make2000(request), size: 9999}, 32, string(make([]byte, MaxMessage-32)), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var m Message
			buf := make([]byte, MaxMessage)
			n, have, err := ReadMessage(tt.r, buf, &m, FromClient)
			if n != tt.n || err != tt.err {
				t.Fatalf("want %d, %v, got %d, %v", tt.n, tt.err, n, err)
			}
			if err != nil {
				return
			}
			if got := string(buf[n:have]); got != tt.rest {
				t.Errorf("want %q behind the message, got %q", tt.rest, got)
			}
			if !m.HasConnect || len(m.Private) != 1 {
				t.Errorf("got %+v", m)
			}
		})
	}
}

func make2000(head string) []byte {
	b := make([]byte, 2000)
	copy(b, head)
	return b
}

// TestReadMessageNoise: what is not Convert is given up at its third byte.
func TestReadMessageNoise(t *testing.T) {
	buf := make([]byte, MaxMessage)
	_, have, err := ReadMessage(&chunks{data: []byte("SSH-2.0-noise\r\n"), size: 1}, buf, new(Message), FromClient)
	if reaction(err) != "close" || have != 3 {
		t.Errorf("got %d bytes, %v", have, err)
	}
}

func TestReadMessageShortBuffer(t *testing.T) {
	_, _, err := ReadMessage(stubborn{}, make([]byte, MaxMessage-1), new(Message), FromClient)
	if err != io.ErrShortBuffer {
		t.Errorf("got %v", err)
	}
}

// TestReadMore reads two messages of one stream, as on a parked connection.
func TestReadMore(t *testing.T) {
	info, connect := unhex(t, "01022263 01010000"), unhex(t, "01062263"+connectTLV)
	r := &chunks{data: append(append(append([]byte{}, info...), connect...), "GET /"...), size: 11}
	buf := make([]byte, MaxMessage)
	var m Message
	n, have, err := ReadMessage(r, buf, &m, FromClient)
	if err != nil || !m.Info || n != len(info) {
		t.Fatalf("first: %d, %v", n, err)
	}
	had := copy(buf, buf[n:have])
	n, have, err = ReadMore(r, buf, had, &m, FromClient)
	if err != nil || !m.HasConnect || m.Info || string(buf[n:have])+string(r.data) != "GET /" {
		t.Errorf("second: %q, %v", buf[n:have], err)
	}
}
