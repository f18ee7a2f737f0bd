package main

import (
	"time"

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
		if f.ID > k.done && f.ID <= k.seen {
			keepAlive(f, upstream.KeepAlive.Idle)
		}
	}
	k.done = k.seen
	if n := len(all); n > 0 {
		k.seen = all[n-1].ID
	}
}

// keepAlive has the kernel probe a flow's subflows on which nothing was heard for
// so long. What is not known at the other end is answered by a reset there.
func keepAlive(f *flows.Flow, idle time.Duration) {
	if f.Concentrator == "" {
		return
	}
	probes := upstream.KeepAlive
	probes.Idle = idle
	if c := f.Upstream(); c != nil {
		_ = mptcp.SetKeepAlive(c, probes) // or it has ended
	}
}
