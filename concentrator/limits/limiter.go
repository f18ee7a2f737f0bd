package limits

import (
	"sync/atomic"
	"time"
)

// Limiter paces and counts one direction of one client, all its flows
// together. A nil Limiter lets everything pass.
//
// A relay pump that has read n bytes calls Reserve and pauses for as long as
// it says before it reads again. What it reads at a time should not exceed
// Quantum, so that a client's flows take turns.
type Limiter struct {
	rate  atomic.Int64 // bit/s, 0: no limit
	full  atomic.Int64 // as in bucket: when all credit will be back, ns since epoch
	bytes atomic.Int64 // of the present month
	epoch time.Time
}

const (
	// credit is what may pass at once after a pause, in time at the full rate.
	// It makes up for sleeps that last too long.
	credit = 50 * time.Millisecond
	// nap is the shortest pause asked for. A shorter one is owed until it has
	// grown to this, which saves a timer per read at high rates.
	nap = 2 * time.Millisecond
	// turn is how long one flow may have the whole rate for itself.
	turn = 10 * time.Millisecond
	// minQuantum keeps the number of system calls bounded at low rates.
	minQuantum = 4 << 10
)

// Reserve counts n bytes and returns how long to pause for them, mostly 0. It
// takes no lock and allocates nothing; without a rate it is one atomic
// addition.
func (l *Limiter) Reserve(n int) time.Duration {
	if l == nil {
		return 0
	}
	l.bytes.Add(int64(n))
	rate := l.rate.Load()
	if rate == 0 {
		return 0
	}
	return l.reserve(n, rate, int64(time.Since(l.epoch)))
}

func (l *Limiter) reserve(n int, rate, now int64) time.Duration {
	const maxPiece = 1 << 30 // times 8e9 is just below 2^63
	cost := int64(min(max(n, 0), maxPiece)) * 8 * int64(time.Second) / rate
	for {
		full := l.full.Load()
		next := max(full, now) + cost
		if !l.full.CompareAndSwap(full, next) {
			continue
		}
		if pause := time.Duration(next-now) - credit; pause >= nap {
			return pause
		}
		return 0
	}
}

// Wait is Reserve with the pause. It returns false, early, when done closes.
func (l *Limiter) Wait(done <-chan struct{}, n int) bool {
	pause := l.Reserve(n)
	if pause == 0 {
		return true
	}
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-done:
		return false
	}
}

// Quantum returns how many of up to size bytes to read at a time.
func (l *Limiter) Quantum(size int) int {
	if l == nil {
		return size
	}
	rate := l.rate.Load()
	if rate == 0 {
		return size
	}
	return int(min(int64(size), max(minQuantum, rate/8*int64(turn)/int64(time.Second))))
}

// set changes the rate. Debts made at the old rate are forgiven, lest a raised
// limit be felt late.
func (l *Limiter) set(rate int64) {
	if l.rate.Swap(rate) != rate {
		l.full.Store(0)
	}
}
