package limits

import (
	"sync/atomic"
	"time"
)

// bucket is a token bucket of one number (the generic cell rate algorithm):
// full holds the time at which the bucket will be full again. Times are
// nanoseconds since an epoch of the caller's.
type bucket struct{ full atomic.Int64 }

// take takes one token, of which there are perSecond a second and at most as
// many at once; or says how long to wait for one.
func (b *bucket) take(now int64, perSecond int) (wait time.Duration, ok bool) {
	cost := int64(time.Second) / int64(perSecond)
	for {
		full := b.full.Load()
		next := max(full, now) + cost
		if over := next - now - int64(time.Second); over > 0 {
			return time.Duration(over), false
		}
		if b.full.CompareAndSwap(full, next) {
			return 0, true
		}
	}
}
