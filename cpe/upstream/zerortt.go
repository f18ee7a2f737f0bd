package upstream

import "sync/atomic"

// zeroRTT counts the connections whose request left without a round trip
// before it: in the SYN, or on a connection that stood ready.
type zeroRTT struct{ hits, total atomic.Int64 }

func (c *Converter) countZeroRTT(hit bool) {
	c.zeroRTT.total.Add(1)
	if hit {
		c.zeroRTT.hits.Add(1)
	}
}

// ZeroRTT returns how many requests left without a round trip before them, of
// how many.
func (c *Converter) ZeroRTT() (hits, total int64) {
	hits = c.zeroRTT.hits.Load()
	return hits, max(hits, c.zeroRTT.total.Load())
}
