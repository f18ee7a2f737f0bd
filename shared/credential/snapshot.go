package credential

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"tandem/shared/sha256"
)

// The snapshot file: a magic, the cache's seed, the clock and the floor in ms
// (8 bytes each), then for each slice of each shard in use its number and how
// many fingerprints follow (8 bytes each), and a SHA-256 of it all.
const (
	snapshotMagic  = "tandem nonces 1\n"
	snapshotHeader = len(snapshotMagic) + 16 + 8 + 8
)

var errSnapshot = errors.New("snapshot is damaged")

// Save writes what is remembered to a file, for the next run of the converter.
// From its begin on, nothing is accepted any more (Busy). The file is readable
// by its owner only and appears whole or not at all.
func (v *Verifier) Save(path string) error {
	b := v.snapshot()
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("save nonces: %w", err)
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("save nonces: %w", err)
	}
	return syncDir(path)
}

// Restore takes over what an earlier run has saved and removes the file, so
// that it is never read twice: after a crash it would be out of date. It must
// come before the first Verify.
//
// An error leaves v as it was, without a snapshot: clients then need one retry.
// It wraps fs.ErrNotExist where there is no file, as after a crash.
func (v *Verifier) Restore(path string) error {
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.Remove(path)
	}
	if err == nil {
		err = syncDir(path)
	}
	if err == nil {
		err = v.restore(b)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("restore nonces: none saved: %w", err)
	}
	if err != nil {
		return fmt.Errorf("restore nonces: %w", err)
	}
	return nil
}

// syncDir makes a rename or removal in the file's directory last.
func syncDir(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (v *Verifier) snapshot() []byte {
	c := v.cache
	c.closed.Store(true)
	b := append([]byte(snapshotMagic), c.seed[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(v.clock.now()))
	b = binary.BigEndian.AppendUint64(b, uint64(v.clock.floor))
	for i := range c.shards {
		b = c.shards[i].append(b)
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

func (s *shard) append(b []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.slices {
		l := &s.slices[i]
		if l.used == 0 {
			continue
		}
		b = binary.BigEndian.AppendUint64(b, uint64(l.number))
		b = binary.BigEndian.AppendUint64(b, uint64(l.used))
		for _, print := range l.slots {
			if print != 0 {
				b = binary.BigEndian.AppendUint64(b, print)
			}
		}
	}
	return b
}

// restore builds a new cache and swaps it in at the end.
func (v *Verifier) restore(b []byte) error {
	body := len(b) - sha256.Size
	if body < snapshotHeader || body%8 != 0 || string(b[:len(snapshotMagic)]) != snapshotMagic ||
		sha256.Sum256(b[:body]) != [sha256.Size]byte(b[body:]) {
		return errSnapshot
	}
	next := newCache(0)
	next.max = v.cache.max
	copy(next.seed[:], b[len(snapshotMagic):])
	word := func(at int) int64 { return int64(binary.BigEndian.Uint64(b[at:])) }
	then, floor := word(snapshotHeader-16), word(snapshotHeader-8)
	now := v.clock.now()
	if then < 0 || floor < 0 || then > 1<<62 || floor > then+window {
		return errSnapshot
	}
	// All in it has expired. What lies about for that long could also be a
	// copy from some earlier stop.
	if then+window < now {
		return errors.New("snapshot is too old to be of use")
	}
	for at := snapshotHeader; at < body; {
		if at+16 > body {
			return errSnapshot
		}
		number, n := word(at), word(at+8)
		at += 16
		if n < 0 || n > int64(body-at)/8 || number < 0 {
			return errSnapshot
		}
		for ; n > 0; n-- {
			if next.addPrint(uint64(word(at)), number) != Accepted {
				return errors.New("snapshot does not fit the cache")
			}
			at += 8
		}
	}
	v.cache = next
	v.clock.floor = floor
	v.clock.advance(then)
	return nil
}
