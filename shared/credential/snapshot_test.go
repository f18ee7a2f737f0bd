package credential

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// used is what a run of the converter has accepted, from clients whose clocks
// are anywhere in the window.
func (p *pair) used(t *testing.T) [][]byte {
	t.Helper()
	var out [][]byte
	right := p.signer.Now
	defer func() { p.signer.Now = right }()
	for _, ahead := range []time.Duration{-50 * time.Second, -time.Second, 0, 5 * time.Second, MaxAhead} {
		p.signer.Now = func() time.Time { return right().Add(ahead) }
		for range 20 {
			msg, _ := p.sign(t)
			if r := p.verify(msg); r.Verdict != Accepted {
				t.Fatalf("%v ahead: %v", ahead, r.Verdict)
			}
			out = append(out, msg)
		}
	}
	return out
}

// none checks that no credential is accepted again, for as long as it could be.
func (p *pair) none(t *testing.T, what string, msgs [][]byte) {
	t.Helper()
	for range 150 {
		for _, msg := range msgs {
			if v := p.verify(msg).Verdict; v != Replayed && v != Stale {
				t.Fatalf("%s: %v", what, v)
			}
		}
		p.clock.advance(time.Second)
	}
}

func TestReplayAfterRestartWithoutSnapshot(t *testing.T) {
	for _, down := range []time.Duration{time.Millisecond, time.Second, time.Minute, time.Hour} {
		p := newPair(t)
		msgs := p.used(t)
		p.clock.advance(down)
		p.verifier = p.restarted()
		p.none(t, down.String(), msgs)
	}
}

func TestReplayAfterRestore(t *testing.T) {
	for _, down := range []time.Duration{0, time.Millisecond, time.Second, 100 * time.Second, time.Hour} {
		p := newPair(t)
		path := filepath.Join(t.TempDir(), "nonces")
		msgs := p.used(t)
		if err := p.verifier.Save(path); err != nil {
			t.Fatal(err)
		}
		late, _ := p.sign(t)
		if r := p.verify(late); r.Verdict != Busy {
			t.Errorf("after the snapshot: %v", r.Verdict)
		}
		p.clock.advance(down)
		p.verifier = p.restarted()
		err := p.verifier.Restore(path)
		if down < time.Hour {
			if err != nil {
				t.Fatalf("%v: %v", down, err)
			}
			// An honest client notices nothing.
			if v, a := p.attempt(t); v != Accepted || a != Proven {
				t.Errorf("%v: honest client: %v, %v", down, v, a)
			}
		} else if err == nil {
			t.Errorf("%v: restored", down)
		}
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the file is still there: %v", err)
		}
		p.none(t, down.String(), msgs)
	}
}

// Whatever its clock, and at any time after a crash, an honest client gets
// through with one retry, and with none from then on.
func TestHonestClientAfterACrash(t *testing.T) {
	offs := []time.Duration{0, 300 * time.Millisecond, -300 * time.Millisecond, 9 * time.Second, -100 * time.Second, 87600 * time.Hour}
	for _, since := range []time.Duration{time.Millisecond, 500 * time.Millisecond, 5 * time.Second, MaxAhead, time.Minute} {
		for _, off := range offs {
			p := newPair(t)
			p.signer.Now = func() time.Time { return time.UnixMilli(p.clock.wall).Add(off) }
			p.verifier = p.restarted()
			p.clock.advance(since)
			first, _ := p.attempt(t)
			p.clock.advance(80 * time.Millisecond)
			for n := range 300 {
				if v, a := p.attempt(t); v != Accepted || a != Proven {
					t.Fatalf("%v after, %v ahead: first %v, then (%d) %v, %v", since, off, first, n, v, a)
				}
				p.clock.advance(time.Second)
			}
		}
	}
}

// A converter's clock that is set back accepts nothing twice, and honest
// clients need one retry.
func TestConverterClockSetBack(t *testing.T) {
	for _, step := range []time.Duration{time.Second, time.Minute, time.Hour, 87600 * time.Hour} {
		p := newPair(t)
		msgs := p.used(t)
		p.clock.advance(10 * time.Minute)
		p.clock.wall -= step.Milliseconds()
		first, _ := p.attempt(t)
		if v, a := p.attempt(t); v != Accepted || a != Proven {
			t.Errorf("%v: first %v, then %v, %v", step, first, v, a)
		}
		p.none(t, step.String(), msgs)

		// The next run starts where this one was, not where the clock is.
		path := filepath.Join(t.TempDir(), "nonces")
		msgs = append(msgs, p.used(t)...)
		if err := p.verifier.Save(path); err != nil {
			t.Fatal(err)
		}
		p.clock.mono = 0
		p.verifier = p.restarted()
		if err := p.verifier.Restore(path); err != nil {
			t.Fatal(err)
		}
		p.none(t, step.String()+", restarted", msgs)
	}
}

// Where the clock is set forward, what was signed before is old at once.
func TestConverterClockSetForward(t *testing.T) {
	p := newPair(t)
	msg, _ := p.sign(t)
	p.clock.wall += time.Hour.Milliseconds()
	if r := p.verify(msg); r.Verdict != Stale {
		t.Error(r.Verdict)
	}
}

func TestSnapshotFile(t *testing.T) {
	p := newPair(t)
	p.used(t)
	good := p.verifier.snapshot()
	path := filepath.Join(t.TempDir(), "nonces")
	if err := p.verifier.Save(path); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode() != 0o600 {
		t.Errorf("%v, %v", fi.Mode(), err)
	}
	if got, _ := os.ReadFile(path); !bytes.Equal(got, good) {
		t.Error("the file is not the snapshot")
	}
	next := p.restarted()
	if err := next.restore(good); err != nil {
		t.Fatal(err)
	}
	if got := len(next.snapshot()); got != len(good) {
		t.Errorf("restored and saved again: %d bytes of %d", got, len(good))
	}

	refused := func(name string, b []byte) {
		t.Helper()
		v := p.restarted()
		cache, clock := v.cache, v.clock
		if err := v.restore(b); err == nil {
			t.Errorf("%s: taken", name)
		}
		if v.cache != cache || v.clock.floor != clock.floor || v.clock.now() != p.clock.wall {
			t.Errorf("%s: has left traces", name)
		}
	}
	for n := range good {
		refused("cut", good[:n])
	}
	for n := range len(good) {
		b := bytes.Clone(good)
		b[n] ^= 1
		refused("flipped", b)
	}
	refused("longer", append(bytes.Clone(good), make([]byte, 8)...))
	sealed := func(change func(b []byte) []byte) []byte {
		b := change(bytes.Clone(good[:len(good)-sha256.Size]))
		sum := sha256.Sum256(b)
		return append(b, sum[:]...)
	}
	put := func(at int, x uint64) func(b []byte) []byte {
		return func(b []byte) []byte { binary.BigEndian.PutUint64(b[at:], x); return b }
	}
	h := snapshotHeader
	refused("no entries behind the count", sealed(func(b []byte) []byte { return b[:h+16] }))
	refused("half an entry head", sealed(func(b []byte) []byte { return b[:h+8] }))
	refused("huge count", sealed(put(h+8, 1<<63)))
	refused("large count", sealed(put(h+8, 1<<40)))
	refused("negative slice", sealed(put(h, 1<<63)))
	refused("fingerprint 0", sealed(put(h+16, 0)))
	refused("negative time", sealed(put(h-16, 1<<63)))
	refused("time of no clock", sealed(put(h-16, 1<<62+1)))
	refused("floor of no clock", sealed(put(h-8, 1<<62)))

	small := newVerifier(1, newClock(p.clock.read))
	if err := small.restore(good); err == nil && p.verifier.cache.max > small.cache.max {
		for i := range small.cache.shards {
			for _, l := range small.cache.shards[i].slices {
				if l.used > small.cache.max {
					t.Fatalf("%d entries in a slice for %d", l.used, small.cache.max)
				}
			}
		}
	}
}

func TestSnapshotFileTrouble(t *testing.T) {
	p := newPair(t)
	dir := t.TempDir()
	if err := p.verifier.Restore(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if err := p.verifier.Restore(dir); err == nil {
		t.Error("a folder was read")
	}
	if err := p.verifier.Save(filepath.Join(dir, "none", "nonces")); err == nil {
		t.Error("saved into a folder that is not there")
	}
	// Nothing is left where the name is taken by a folder.
	if err := os.MkdirAll(filepath.Join(dir, "taken", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := p.verifier.Save(filepath.Join(dir, "taken")); err == nil {
		t.Error("saved over a folder")
	}
	var names []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if diff := cmp.Diff([]string{"taken"}, names); diff != "" {
		t.Errorf("left behind (-want +got):\n%s", diff)
	}
}
