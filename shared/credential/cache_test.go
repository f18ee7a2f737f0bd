package credential

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"testing"
)

func number(n uint64) (nonce Nonce) {
	binary.BigEndian.PutUint64(nonce[:], n)
	return nonce
}

// size is the number of entries and of slots.
func (c *cache) size() (used, slots int) {
	for i := range c.shards {
		for j := range c.shards[i].slices {
			used += c.shards[i].slices[j].used
			slots += len(c.shards[i].slices[j].slots)
		}
	}
	return used, slots
}

func TestCacheIsASet(t *testing.T) {
	c := newCache(1 << 16)
	ids := []KeyID{{}, {1}, {2}}
	want := map[uint64]bool{}
	for range 20_000 {
		n := rand.Uint64N(30_000)
		id := ids[n%3]
		verdict := Accepted
		if want[n] {
			verdict = Replayed
		}
		if got := c.add(id, number(n), int64(n%8)*sliceLen); got != verdict {
			t.Fatalf("%d: %v, want %v", n, got, verdict)
		}
		want[n] = true
	}
	if used, _ := c.size(); used != len(want) {
		t.Errorf("%d entries, want %d", used, len(want))
	}
	if got := c.add(KeyID{9}, number(0), 0); got != Accepted {
		t.Errorf("same nonce of another key: %v", got)
	}
}

// A full cache refuses what is new, still knows what is old, and is empty again
// when its time is over. Its memory is bounded at all times.
func TestCacheFull(t *testing.T) {
	const capacity = 1 << 14
	c := newCache(capacity)
	accepted := []uint64{}
	busy := 0
	for n := range uint64(4 * capacity) {
		switch got := c.add(KeyID{}, number(n), int64(n%slices)*sliceLen); got {
		case Accepted:
			accepted = append(accepted, n)
		case Busy:
			busy++
		default:
			t.Fatalf("%d: %v", n, got)
		}
	}
	used, slots := c.size()
	if used != capacity || len(accepted) != capacity || busy != 3*capacity {
		t.Errorf("%d entries, %d accepted, %d busy, capacity %d", used, len(accepted), busy, capacity)
	}
	if 8*slots > 16*capacity {
		t.Errorf("%d bytes for %d entries", 8*slots, capacity)
	}
	for _, n := range accepted {
		if got := c.add(KeyID{}, number(n), int64(n%slices)*sliceLen); got != Replayed && got != Busy {
			t.Fatalf("%d again: %v", n, got)
		}
	}
	if got := c.add(KeyID{}, number(0), slices*sliceLen); got != Accepted {
		t.Errorf("next slice: %v", got)
	}
	if got := c.add(KeyID{}, number(0), 0); got != Stale {
		t.Errorf("slice gone: %v", got)
	}
}

func TestCacheBoundedForever(t *testing.T) {
	const capacity = 1 << 12
	for _, size := range []int{1, 100, capacity, 5000} {
		c := newCache(size)
		limit := 22 * max(size, shards*slices*firstSlots/2)
		for n := range uint64(40 * capacity) {
			c.add(KeyID{}, number(n), int64(n/1000)*sliceLen)
			if n%10_000 == 0 {
				if _, slots := c.size(); 8*slots > limit {
					t.Fatalf("capacity %d: %d bytes, limit %d", size, 8*slots, limit)
				}
			}
		}
	}
}

func TestCacheConcurrent(t *testing.T) {
	c := newCache(1 << 18)
	var mu sync.Mutex
	count := map[Verdict]int{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			mine := map[Verdict]int{}
			for _, n := range rand.Perm(10_000) {
				mine[c.add(KeyID{}, number(uint64(n)), int64(n%3)*sliceLen)]++
			}
			mu.Lock()
			defer mu.Unlock()
			for v, n := range mine {
				count[v] += n
			}
		}()
	}
	wg.Wait()
	if count[Accepted] != 10_000 || count[Replayed] != 70_000 {
		t.Errorf("%v", count)
	}
}

// The window never touches more slices than are kept.
func TestSlicesCoverTheWindow(t *testing.T) {
	for now := range 3 * sliceLen {
		first, last := now, now+window
		if n := last/sliceLen - first/sliceLen + 1; n > slices {
			t.Fatalf("window at %d touches %d slices", now, n)
		}
	}
}
