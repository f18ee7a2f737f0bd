package relay

import (
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"testing"
)

// TestAlwaysMore sends until the relay takes a pipe for it: all arrives as it
// was, and the pipe is gone with the flow.
func TestAlwaysMore(t *testing.T) {
	eachLeg(t, func(t *testing.T, over bool) {
		e := newEngine(t)
		c := newChain(t, e, over)
		limit(t, c.client, c.server)
		got := make(chan [32]byte, 1)
		go func() {
			h := sha256.New()
			if _, err := io.Copy(h, c.server); err != nil {
				t.Errorf("read: %v", err)
			}
			c.server.Close()
			got <- [32]byte(h.Sum(nil))
		}()
		sent := sha256.New()
		piece := make([]byte, 1<<20)
		random := rand.NewChaCha8([32]byte{1})
		for after := 0; after < 8; {
			_, _ = random.Read(piece)
			sent.Write(piece)
			if _, err := c.client.Write(piece); err != nil {
				t.Fatalf("no pipe so far, or too little room in it: %v", err)
			}
			if e.pipes.Load() > 0 || after > 0 {
				after++
			}
		}
		_ = c.client.CloseWrite()
		if <-got != [32]byte(sent.Sum(nil)) {
			t.Error("other bytes came")
		}
		if r := c.end(t); r.Err != nil {
			t.Error(r.Err)
		}
		if n := e.pipes.Load(); n != 0 {
			t.Errorf("%d pipes are left", n)
		}
	})
}

// TestNoMorePipes: an engine whose pipes are all in use goes on without.
func TestNoMorePipes(t *testing.T) {
	e := newEngine(t)
	e.pipes.Store(maxPipes)
	_, b := pair(t, false)
	s, err := e.Take(b)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if p := e.pipe(&leg{fd: s.fd}); p != nil {
		t.Error("one pipe too many")
	}
	if n := e.pipes.Load(); n != maxPipes {
		t.Errorf("%d pipes counted, want %d", n, maxPipes)
	}
}
