package main

import (
	"time"

	"tandem/cpe/flows"
	"tandem/shared/mptcp"
	"tandem/shared/order"
)

// lineSurvey is what the open flows' subflows over one line say of it.
type lineSurvey struct {
	subflows            int
	rtts                []time.Duration
	sent, retransmitted uint64
}

// survey asks every flow's subflows. Each, if not nil, gets every flow and its
// subflows, nil where it is plain TCP or has ended this moment.
func (p *proxy) survey(each func(*flows.Flow, []mptcp.Subflow)) map[string]*lineSurvey {
	seen := make(map[string]*lineSurvey)
	for _, w := range p.lines.WANs() {
		seen[w.Name] = new(lineSurvey)
	}
	for _, f := range p.flows.List() {
		var subflows []mptcp.Subflow
		if f.Concentrator != "" {
			subflows, _ = f.Subflows()
		}
		if each != nil {
			each(f, subflows)
		}
		for i := range subflows {
			s := &subflows[i]
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
	order.Slice(l.rtts, func(i, j int) bool { return l.rtts[i] < l.rtts[j] })
	return l.rtts[len(l.rtts)/2]
}

// loss is the share of bytes that had to be sent again.
func (l *lineSurvey) loss() float64 {
	if l.sent == 0 {
		return 0
	}
	return float64(l.retransmitted) / float64(l.sent)
}
