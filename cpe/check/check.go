// Package check tries each access line against the concentrator and says in
// plain words what the operator's network does to it, and what Tandem makes of
// that. It needs no running daemon.
package check

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"tandem/cpe/uplink"
	"tandem/cpe/upstream"
)

// Result is one line's.
type Result struct {
	Name     string    `json:"name"`
	OK       bool      `json:"ok"` // Tandem can bond it
	Verdict  string    `json:"verdict"`
	Findings []Finding `json:"findings"`

	Reachable bool    `json:"reachable"`
	MPTCP     bool    `json:"mptcp"`
	SynData   bool    `json:"syn_data"`
	NAT       bool    `json:"nat"`
	MTU       int     `json:"mtu"` // 0: unknown
	RTT       float64 `json:"rtt_ms"`
}

// Finding is one sentence.
type Finding struct {
	Text string `json:"text"`
}

func (r *Result) find(format string, args ...any) {
	r.Findings = append(r.Findings, Finding{fmt.Sprintf(format, args...)})
}

// Concentrator is what a line is tried against.
type Concentrator interface {
	Reach(context.Context, uplink.WAN) (upstream.Trial, error)
	Try(ctx context.Context, line uplink.WAN, inSYN bool) (upstream.Trial, error)
}

// Line tries one line against the concentrator of that name.
func Line(ctx context.Context, name string, c Concentrator, line uplink.WAN) Result {
	r := Result{Name: line.Name, Findings: []Finding{}}
	if !line.Present {
		r.Verdict = "down: " + line.Reason
		r.find("Tandem uses the other lines and takes this one back as soon as it is up.")
		return r
	}
	r.address(line)
	reach, err := c.Reach(ctx, line)
	if err != nil {
		r.Verdict = "the concentrator does not answer over this line"
		r.find("%s: %v.", name, err)
		r.find("Tandem makes no connections over this line until it answers. If no line gets an answer, look at the concentrator first.")
		return r
	}
	r.Reachable, r.RTT, r.MTU = true, float64(reach.RoundTrip.Microseconds())/1e3, reach.MTU
	r.find("%s answers in %v; packets may have %d bytes.", name, reach.RoundTrip.Round(100*time.Microsecond), reach.MTU)
	if reach.MTU > 0 && reach.MTU < 1280 {
		r.find("That is little: look at the MTU of device %q.", line.Device)
	}

	plain, err := c.Try(ctx, line, false)
	if err != nil {
		r.Verdict = "the concentrator is reached but does not serve"
		r.find("%v.", err)
		r.find("Connections go direct, or over another line where that works.")
		return r
	}
	r.MPTCP = plain.MPTCP
	if !r.MPTCP {
		r.Verdict = "MPTCP does not get through"
		r.find("Something in this operator's network removes MPTCP from the packets, or one end does not speak it.")
		r.find("Connections that begin on this line work, but stay on it alone; others cannot be spread over it. Ask the operator for an access without a TCP proxy, or name another line primary.")
		return r
	}
	r.OK, r.Verdict = true, "works"
	r.find("MPTCP gets through: connections can be spread over this line.")

	syn, err := c.Try(ctx, line, true)
	r.SynData = err == nil && syn.SynData && syn.MPTCP
	if r.SynData {
		r.find("Data in the SYN gets through: a request can leave without waiting for the handshake.")
	} else {
		r.find("Data in the SYN does not get through. Tandem sends requests after the handshake, or on connections that stand ready; nothing else changes.")
	}
	return r
}

// address tells of address translation by the line's own address.
func (r *Result) address(line uplink.WAN) {
	for _, a := range line.Addrs {
		if a.Is4() && (a.IsPrivate() || shared.Contains(a)) {
			r.NAT = true
			r.find("%v is a private address: this line is behind address translation, which does not hinder Tandem.", a)
		}
	}
}

// shared is for address translation in operators' networks (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")
