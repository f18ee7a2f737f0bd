package main

import (
	"sort"
	"time"

	"github.com/tandem-mptcp/tandem/shared/mptcp"
)

// lineSurvey is what the open flows' subflows over one line say of it.
type lineSurvey struct {
	subflows            int
	rtts                []time.Duration
	sent, retransmitted uint64
}

// survey asks every flow's subflows.
func (p *proxy) survey() map[string]*lineSurvey {
	seen := make(map[string]*lineSurvey)
	for _, w := range p.lines.WANs() {
		seen[w.Name] = new(lineSurvey)
	}
	for _, f := range p.flows.List() {
		if f.Concentrator == "" {
			continue
		}
		subflows, err := f.Subflows()
		if err != nil {
			continue // plain TCP, or ended this moment
		}
		for _, s := range subflows {
			name, _ := p.lines.LineOf(s.Local.Addr())
			if l := seen[name]; l != nil && s.State == mptcp.StateEstablished {
				l.subflows++
				l.rtts = append(l.rtts, s.RTT)
				l.sent += s.BytesSent
				l.retransmitted += s.BytesRetransmitted
			}
		}
	}
	return seen
}

// roundTrip is the median, 0 when there are no subflows.
func (l *lineSurvey) roundTrip() time.Duration {
	if len(l.rtts) == 0 {
		return 0
	}
	sort.Slice(l.rtts, func(i, j int) bool { return l.rtts[i] < l.rtts[j] })
	return l.rtts[len(l.rtts)/2]
}

// loss is the share of bytes that had to be sent again.
func (l *lineSurvey) loss() float64 {
	if l.sent == 0 {
		return 0
	}
	return float64(l.retransmitted) / float64(l.sent)
}
