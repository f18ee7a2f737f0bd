package main

import (
	"tandem/cpe/flows"
	"tandem/cpe/upstream"
	"tandem/shared/mptcp"
)

// keeper gives flows their keepalives once they have lived for a while, which
// most do not.
type keeper struct {
	done, seen uint64 // the last flow that has them, and the last of the former look
}

// keep looks at all flows, in the order in which they began.
func (k *keeper) keep(all []*flows.Flow) {
	for _, f := range all {
		if f.ID <= k.done || f.ID > k.seen || f.Concentrator == "" {
			continue
		}
		if c := f.Upstream(); c != nil {
			_ = mptcp.SetKeepAlive(c, upstream.KeepAlive) // or it has ended
		}
	}
	k.done = k.seen
	if n := len(all); n > 0 {
		k.seen = all[n-1].ID
	}
}
