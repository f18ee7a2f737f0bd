package check

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"tandem/cpe/uplink"
	"tandem/cpe/upstream"
)

// network is what a line's operator does.
type network struct {
	unreachable, noMPTCP, noSynData bool
	serves                          error
}

func (n network) Reach(context.Context, uplink.WAN) (upstream.Trial, error) {
	if n.unreachable {
		return upstream.Trial{}, errors.New("no answer")
	}
	return upstream.Trial{RoundTrip: 30 * time.Millisecond, MTU: 1500}, nil
}

func (n network) Try(_ context.Context, _ uplink.WAN, inSYN bool) (upstream.Trial, error) {
	t := upstream.Trial{MPTCP: !n.noMPTCP, SynData: inSYN && !n.noSynData}
	if inSYN && n.noSynData {
		t.MPTCP = false // what the kernel makes of it
	}
	return t, n.serves
}

func TestLine(t *testing.T) {
	up := uplink.WAN{Name: "dsl", Device: "dsl", Present: true, Up: true, Addrs: []netip.Addr{netip.MustParseAddr("198.51.100.2")}}
	behind := up
	behind.Addrs = []netip.Addr{netip.MustParseAddr("100.70.1.2")}
	for _, tt := range []struct {
		name     string
		line     uplink.WAN
		net      network
		ok       bool
		verdict  string
		findings string // part
		want     func(Result) bool
	}{
		{"all is well", up, network{}, true, "works", "Data in the SYN gets through", func(r Result) bool { return r.MPTCP && r.SynData && !r.NAT && r.MTU == 1500 && r.RTT == 30 }},
		{"down", uplink.WAN{Name: "lte", Reason: "no carrier"}, network{}, false, "down: no carrier", "takes this one back", func(r Result) bool { return !r.Reachable }},
		{"unreachable", up, network{unreachable: true}, false, "does not answer over this line", "look at the concentrator", func(r Result) bool { return !r.Reachable }},
		{"does not serve", up, network{serves: errors.New("Error 3")}, false, "does not serve", "Error 3", func(r Result) bool { return r.Reachable && !r.MPTCP }},
		{"no MPTCP", up, network{noMPTCP: true}, false, "MPTCP does not get through", "stay on it alone", func(r Result) bool { return r.Reachable && !r.MPTCP }},
		{"no SYN data", up, network{noSynData: true}, true, "works", "does not get through. Tandem sends", func(r Result) bool { return r.MPTCP && !r.SynData }},
		{"translated", behind, network{}, true, "works", "address translation", func(r Result) bool { return r.NAT }},
	} {
		r := Line(context.Background(), "vm", tt.net, tt.line)
		var all []string
		for _, f := range r.Findings {
			all = append(all, f.Text)
		}
		if r.OK != tt.ok || !strings.Contains(r.Verdict, tt.verdict) || !strings.Contains(strings.Join(all, "\n"), tt.findings) || !tt.want(r) {
			t.Errorf("%s: %+v", tt.name, r)
		}
	}
}
