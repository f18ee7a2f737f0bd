package upstream

import (
	"io"
	"net/netip"
	"testing"
	"time"

	"tandem/cpe/config"
	"tandem/cpe/uplink"
	"tandem/shared/logline"
)

// TestRoundTripPerLine: what handshakes over one line teach is not held against
// another.
func TestRoundTripPerLine(t *testing.T) {
	const ms = time.Millisecond
	there := netip.MustParseAddr("203.0.113.1")
	line := func(name, addr string) uplink.WAN {
		return uplink.WAN{Name: name, Up: true, Addrs: []netip.Addr{netip.MustParseAddr(addr)}}
	}
	dsl, sat, probed, fresh := line("dsl", "198.51.100.2"), line("sat", "198.51.100.6"), line("probed", "198.51.100.10"), line("fresh", "198.51.100.14")
	probed.Delay = 240 * ms // by the watch over the lines
	lines := []uplink.WAN{dsl, sat}
	var told []string
	c := NewConverter(logline.New(io.Discard), config.Concentrator{Name: "vm", Port: 5124, Addresses: []netip.Addr{there}},
		nil, 0, time.Second, func() []uplink.WAN { return lines })
	c.Delay = func(line string, _ time.Duration) { told = append(told, line) }
	if got := c.RoundTrip(); got != 0 {
		t.Errorf("before any handshake: %v", got)
	}
	for range 20 {
		c.shookHands("dsl", 20*ms)
	}
	c.shookHands("sat", 600*ms)
	c.trips.seen("sat", 10*ms) // less than a handshake's word
	to := netip.AddrPortFrom(there, 5124)
	for _, tt := range []struct {
		line             uplink.WAN
		rtt, probe, race time.Duration
	}{
		{dsl, 20 * ms, probeTime, 300 * ms},
		{sat, 600 * ms, 3600 * ms, 1800 * ms},
		{probed, 240 * ms, 1440 * ms, 720 * ms},
		{fresh, 0, probeTimeUnknown, 300 * ms},
	} {
		if got := c.roundTrip(tt.line); got != tt.rtt {
			t.Errorf("%s: round trip %v, want %v", tt.line.Name, got, tt.rtt)
		}
		if got := c.probeTime(tt.line, 0); got != tt.probe {
			t.Errorf("%s: a probe may take %v, want %v", tt.line.Name, got, tt.probe)
		}
		if got := c.over(tt.line, to, Plain).raceAfter(); got != tt.race {
			t.Errorf("%s: the next line is asked after %v, want %v", tt.line.Name, got, tt.race)
		}
	}
	if got := c.probeTime(sat, 100*ms); got != 3700*ms {
		t.Errorf("a probe that begins later may take %v", got)
	}
	if got := c.RoundTrip(); got != 20*ms {
		t.Errorf("over the preferred line %v, want 20ms", got)
	}
	if lines[0].Up = false; c.RoundTrip() != 600*ms {
		t.Errorf("over the one that is left %v, want 600ms", c.RoundTrip())
	}
	if len(told) != 21 || told[20] != "sat" {
		t.Errorf("told of %d round trips, want 21", len(told))
	}
}
