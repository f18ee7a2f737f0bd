// Package front turns connections away by their source alone, before a byte of
// them is read: those from sources that keep sending what no client sends.
//
// A source is one IPv4 address or one IPv6 /64. It may fail so many times at
// once, and as many a minute; each failure beyond costs the daemon an accept
// and a close, and nothing else. A source from which a client has shown its
// credential may fail twenty times as often, for it may share its address with
// others behind one translator.
//
// Memory is bounded: 65,536 sources are remembered, in 3 MB that are taken as
// needed. When a place is wanted, the source in it that has failed least gives
// it up, so attackers cannot get others remembered as bad, nor be forgotten by
// sending a little.
package front

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Front remembers how often sources have failed. It may be used from many
// goroutines.
type Front struct {
	perMinute atomic.Int64
	alert     atomic.Int64 // ns since epoch; when the last one was turned away
	seed      maphash.Seed
	epoch     time.Time
	shards    [shards]shard
}

const (
	shards = 64
	sets   = 256 // of a shard
	ways   = 4   // sources in a set

	// provenFor is how long a client's source is known by its credential.
	provenFor = int64(time.Hour)
	// provenMore is how much more may go wrong from there.
	provenMore = 20
	// again is what a connection that is turned away adds to the failures: who
	// goes on at ten times the rate that is forgiven is not let in meanwhile.
	again = 0.1
	// calm is how long after an attack it is taken to be over.
	calm = int64(10 * time.Second)
)

type shard struct {
	mu   sync.Mutex
	sets [sets][ways]entry
}

// entry is one source. Times are ns since epoch.
type entry struct {
	source netip.Addr // not valid: free
	debt   float64    // failures not yet forgiven at time at
	at     int64
	proven int64 // until when
}

// New returns a Front that lets each source fail perMinute times, 0 for
// without end.
func New(perMinute int) *Front {
	f := &Front{seed: maphash.MakeSeed(), epoch: time.Now()}
	f.SetLimit(perMinute)
	f.alert.Store(-calm - 1)
	return f
}

// SetLimit changes how many times a source may fail in a minute.
func (f *Front) SetLimit(perMinute int) { f.perMinute.Store(int64(perMinute)) }

// Admit tells whether a connection from source is to be looked at. It takes
// far less than a system call and allocates nothing.
func (f *Front) Admit(source netip.Addr) bool { return f.admit(source, f.now()) }

// Failed notes that a connection from source was no client's.
func (f *Front) Failed(source netip.Addr) { f.failed(source, f.now()) }

// Proven notes that a client has shown its credential from source.
func (f *Front) Proven(source netip.Addr) { f.proven(source, f.now()) }

// Alert tells whether connections have been turned away in the last seconds.
func (f *Front) Alert() bool { return f.now()-f.alert.Load() < calm }

func (f *Front) now() int64 { return int64(time.Since(f.epoch)) }

func (f *Front) admit(source netip.Addr, now int64) bool {
	limit := f.perMinute.Load()
	if limit == 0 {
		return true
	}
	s, set := f.find(source)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := set.of(source)
	if e == nil {
		return true
	}
	e.forgive(now, limit)
	if e.debt+1 <= float64(limit*e.more(now)) {
		return true
	}
	f.alert.Store(now)
	e.debt = min(e.debt+again, float64(limit*e.more(now)))
	return false
}

func (f *Front) failed(source netip.Addr, now int64) {
	limit := f.perMinute.Load()
	if limit == 0 {
		return
	}
	s, set := f.find(source)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := set.of(source)
	if e == nil {
		if e = set.worst(now, limit, false); e == nil {
			return
		}
		*e = entry{source: source, at: now}
	}
	e.forgive(now, limit)
	// Not above the limit: who stops is let in again soon.
	e.debt = min(e.debt+1, float64(limit*e.more(now)))
}

func (f *Front) proven(source netip.Addr, now int64) {
	s, set := f.find(source)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := set.of(source)
	if e == nil {
		if e = set.worst(now, f.perMinute.Load(), true); e == nil {
			return
		}
		*e = entry{source: source, at: now}
	}
	e.proven = now + provenFor
}

func (f *Front) find(source netip.Addr) (*shard, *set) {
	a := source.As16()
	h := maphash.Bytes(f.seed, a[:])
	s := &f.shards[h%shards]
	return s, (*set)(&s.sets[h/shards%sets])
}

type set [ways]entry

func (s *set) of(source netip.Addr) *entry {
	for i := range s {
		if s[i].source == source {
			return &s[i]
		}
	}
	return nil
}

// worst returns the place to give to another source: a free one, or that of
// the one that has failed least. Clients' sources stay, unless for a client,
// and so do sources at their limit: nil means that there is no place.
func (s *set) worst(now, limit int64, client bool) (place *entry) {
	for i := range s {
		e := &s[i]
		if !e.source.IsValid() {
			return e
		}
		e.forgive(now, limit)
		if e.proven > now && !client {
			continue
		}
		if !client && e.debt+1 > float64(limit) {
			continue
		}
		if place == nil || e.debt < place.debt {
			place = e
		}
	}
	return place
}

// forgive takes off what time has paid.
func (e *entry) forgive(now, limit int64) {
	paid := float64(now-e.at) * float64(limit*e.more(now)) / float64(time.Minute)
	e.debt, e.at = max(0, e.debt-paid), now
}

func (e *entry) more(now int64) int64 {
	if e.proven > now {
		return provenMore
	}
	return 1
}
