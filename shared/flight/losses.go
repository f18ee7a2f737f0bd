package flight

import (
	"net/netip"
	"slices"
	"time"

	"tandem/shared/mptcp"
	"tandem/shared/nocmp"
)

// losses is what one subflow had to send again. A line that is full loses
// packets now and then, in bursts; one that is bad loses them all the time. So
// of some stretches the best one counts.
type losses struct {
	_          nocmp.Field
	local      netip.AddrPort
	at         time.Time // begin of the stretch
	out, again uint64    // bytes sent until then, and those not for the first time
	stretches  [4]float64
	n          int
}

const (
	stretchTime  = 500 * time.Millisecond
	stretchBytes = 512 << 10 // seven packets of them, where 2 % are lost
)

// follow books the subflows' counters; those of subflows that are gone go.
func follow(old []losses, subflows []mptcp.Subflow, now time.Time) []losses {
	kept := old[:0:0]
	for _, f := range subflows {
		if f.State != mptcp.StateEstablished {
			continue
		}
		l := losses{local: f.Local, at: now, out: f.BytesSent, again: f.BytesRetransmitted}
		if i := slices.IndexFunc(old, func(l losses) bool { return l.local == f.Local }); i >= 0 {
			l = old[i]
			l.look(f, now)
		}
		kept = append(kept, l)
	}
	return kept
}

func (l *losses) look(f mptcp.Subflow, now time.Time) {
	sent := f.BytesSent - min(l.out, f.BytesSent)
	if now.Sub(l.at) < stretchTime || sent < stretchBytes {
		return
	}
	l.stretches[l.n%len(l.stretches)] = float64(f.BytesRetransmitted-min(l.again, f.BytesRetransmitted)) / float64(sent)
	l.n++
	l.at, l.out, l.again = now, f.BytesSent, f.BytesRetransmitted
}

// worst is the share that the worst subflow loses all the time.
func worst(all []losses) (share float64) {
	for _, l := range all {
		if l.n >= len(l.stretches) {
			share = max(share, slices.Min(l.stretches[:]))
		}
	}
	return share
}
