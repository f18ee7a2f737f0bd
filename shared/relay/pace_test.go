package relay

import (
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"
)

// slow asks for a pause after every piece, and keeps pieces small.
type slow struct {
	pause   time.Duration
	counted atomic.Int64
	pieces  atomic.Int64
}

const piece = 1000

func (s *slow) Quantum(size int) int { return min(size, piece) }

func (s *slow) Reserve(n int) time.Duration {
	s.counted.Add(int64(n))
	if n > piece {
		return time.Hour
	}
	s.pieces.Add(1)
	return s.pause
}

// A paced direction pauses as told, moves every byte, counts it once, and the
// other direction does not notice.
func TestPace(t *testing.T) {
	eachLeg(t, func(t *testing.T, over bool) {
		pacer := &slow{pause: 2 * time.Millisecond}
		c := newPacedChain(t, newEngine(t), over, Options{Up: pacer})
		limit(t, c.client, c.server)
		const size = 100 * piece
		begin := time.Now()
		go func() { _, _ = c.client.Write(make([]byte, size)); _ = c.client.CloseWrite() }()
		free := make(chan error, 1)
		go func() {
			_, err := c.server.Write(make([]byte, 10*size))
			free <- errors.Join(err, c.server.CloseWrite())
		}()
		if got, err := io.ReadAll(c.client); err != nil || len(got) != 10*size {
			t.Errorf("free direction: %d bytes, %v", len(got), err)
		}
		if err := <-free; err != nil {
			t.Error(err)
		}
		if got, err := io.ReadAll(c.server); err != nil || len(got) != size {
			t.Errorf("paced direction: %d bytes, %v", len(got), err)
		}
		// The last pause may be cut short by the end.
		if took, least := time.Since(begin), time.Duration(pacer.pieces.Load()-1)*pacer.pause; took < least {
			t.Errorf("took %s, want at least %s", took, least)
		}
		if r := c.end(t); r != (Result{Up: size, Down: 10 * size}) {
			t.Errorf("result %+v", r)
		}
		if got := pacer.counted.Load(); got != size {
			t.Errorf("pacer counted %d bytes, want %d", got, size)
		}
	})
}

// Neither an abort nor a reset waits for a pause to end.
func TestPauseEnds(t *testing.T) {
	eachLeg(t, func(t *testing.T, over bool) {
		c := newPacedChain(t, newEngine(t), over, Options{Up: &slow{pause: time.Hour}})
		limit(t, c.client, c.server)
		if _, err := c.client.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c.server, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		c.flow.Abort(io.ErrClosedPipe)
		if r := c.end(t); r.Err != io.ErrClosedPipe {
			t.Errorf("result %+v", r)
		}
	})
}

func TestFlows(t *testing.T) {
	noLeaks(t)
	e := newEngine(t)
	tags := map[any]bool{"a": true, "b": true}
	chains := []*chain{newPacedChain(t, e, false, Options{Tag: "a"}), newPacedChain(t, e, true, Options{Tag: "b"})}
	for _, f := range e.Flows() {
		if !tags[f.Tag()] {
			t.Errorf("flow %v", f.Tag())
		}
		delete(tags, f.Tag())
	}
	if len(tags) > 0 {
		t.Errorf("missing: %v", tags)
	}
	for _, c := range chains {
		c.flow.Abort(io.ErrClosedPipe)
		c.end(t)
	}
}
