package credential

import (
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"

	"tandem/shared/random"
	"tandem/shared/sha256"
)

var errStranger = errors.New("credential: a stranger gets no proof")

// DefaultCapacity is how many credentials a Verifier remembers: all of MaxAge
// and MaxAhead at about 7,000 new connections a second.
const DefaultCapacity = 1 << 20

const (
	shards = 64
	// slices is how many slices of time are kept; sliceLen is their length in
	// ms. The window never touches more of them.
	slices   = 8
	window   = int64((MaxAge + MaxAhead) / 1e6)
	sliceLen = (window + slices - 2) / (slices - 1)

	firstSlots = 16
)

// cache remembers the nonces of accepted credentials until their time is
// outside the window. A credential's own time says in which slice it is looked
// up, so a slice is forgotten as a whole and nothing has to be searched for
// what has expired.
//
// When the slice is full the credential is refused. To forget another one
// instead would let that be replayed, and a tighter window would not make room
// in the slice that everybody is in.
//
// Memory: 8 bytes a slot, at most 22 bytes for each of capacity credentials and
// 16 where that is a power of two, so 16 MB by default; taken only as needed.
type cache struct {
	seed   [16]byte // keeps clients from choosing where their nonces go
	max    int      // of one slice of one shard
	closed atomic.Bool
	shards [shards]shard
}

type shard struct {
	mu     sync.Mutex
	slices [slices]slice
}

// slice is an open hash table of fingerprints, never 0, without removal.
type slice struct {
	number int64 // of the slice of time that it holds now
	used   int
	slots  []uint64 // a power of two, at least a quarter of them 0
}

func newCache(capacity int) *cache {
	if capacity <= 0 {
		capacity = DefaultCapacity
	}
	c := &cache{max: max(firstSlots/2, (capacity+shards*slices-1)/(shards*slices))}
	random.Read(c.seed[:])
	return c
}

// add remembers a credential. It returns Accepted, Replayed, Busy, or Stale
// where its slice has been forgotten in the meantime.
func (c *cache) add(id KeyID, nonce Nonce, t int64) Verdict {
	return c.addPrint(c.print(id, nonce), t/sliceLen)
}

// print is a fingerprint that nobody can aim without the seed. Of a million
// credentials remembered, one in 10^13 new ones would be refused by accident.
func (c *cache) print(id KeyID, nonce Nonce) uint64 {
	var b [32]byte
	copy(b[:], c.seed[:])
	copy(b[16:], id[:])
	copy(b[24:], nonce[:])
	sum := sha256.Sum256(b[:])
	return max(1, binary.BigEndian.Uint64(sum[:]))
}

func (c *cache) addPrint(print uint64, number int64) Verdict {
	s := &c.shards[print%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.closed.Load() {
		return Busy
	}
	l := &s.slices[number%slices]
	switch {
	case number < l.number:
		return Stale
	case number > l.number:
		l.number, l.used = number, 0
		clear(l.slots)
	}
	return l.add(print, c.max)
}

func (l *slice) add(print uint64, limit int) Verdict {
	if 4*(l.used+1) > 3*len(l.slots) {
		l.grow()
	}
	at := l.find(print)
	switch {
	case l.slots[at] == print:
		return Replayed
	case l.used >= limit:
		return Busy
	}
	l.slots[at] = print
	l.used++
	return Accepted
}

// find returns the slot that holds print, or the empty one where it belongs.
func (l *slice) find(print uint64) int {
	mask := len(l.slots) - 1
	at := int(print/shards) & mask
	for l.slots[at] != 0 && l.slots[at] != print {
		at = (at + 1) & mask
	}
	return at
}

func (l *slice) grow() {
	old := l.slots
	l.slots = make([]uint64, max(firstSlots, 2*len(old)))
	for _, print := range old {
		if print != 0 {
			l.slots[l.find(print)] = print
		}
	}
}
