package upstream

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tandem/cpe/config"
	"tandem/cpe/uplink"
	"tandem/shared/logline"
)

// TestUnsure: only a connection that the concentrator itself ended shows that the
// request was not carried out, and in the SYN only one that it reset.
func TestUnsure(t *testing.T) {
	for _, tt := range []struct {
		inSYN bool
		err   error
		want  bool
	}{
		{false, io.EOF, false},
		{false, unix.ECONNRESET, false},
		{false, unix.EPIPE, false},
		{false, unix.ENOTCONN, false},
		{false, errFewer, false},
		{false, errReversed, false},
		{false, io.ErrUnexpectedEOF, true},
		{false, os.ErrDeadlineExceeded, true},
		{false, unix.ETIMEDOUT, true},
		{false, errSilent, true},
		{false, errUnwanted, false},
		{true, errUnwanted, false},
		{true, io.EOF, true},
		{true, unix.ENOTCONN, true},
		{true, unix.ECONNRESET, false},
	} {
		if got := unsure(fmt.Errorf("%w: %w", errLost, tt.err), tt.inSYN); got != tt.want {
			t.Errorf("in the SYN %v, ended by %v: unsure %v, want %v", tt.inSYN, tt.err, got, tt.want)
		}
	}
}

// TestCut: a connection's line is gone also when it has come back since.
func TestCut(t *testing.T) {
	here, there := netip.MustParseAddr("198.51.100.2"), netip.MustParseAddr("203.0.113.1")
	began := time.Unix(1000, 0)
	dsl := uplink.WAN{Name: "dsl", Up: true, Since: began, Addrs: []netip.Addr{here}}
	lines := []uplink.WAN{dsl}
	c := NewConverter(logline.New(io.Discard), config.Concentrator{Name: "vm", Port: 5124, Addresses: []netip.Addr{there}},
		nil, 0, time.Second, func() []uplink.WAN { return lines })
	a, err := c.Plan(Plain, config.Bond)
	if err != nil {
		t.Fatal(err)
	}
	down, later, moved := dsl, dsl, dsl
	down.Up = false
	later.Since = began.Add(time.Second)
	moved.Addrs = []netip.Addr{netip.MustParseAddr("198.51.100.6")}
	for name, tt := range map[string]struct {
		now  []uplink.WAN
		want bool
	}{
		"as it was":      {[]uplink.WAN{dsl}, false},
		"down":           {[]uplink.WAN{down}, true},
		"down and back":  {[]uplink.WAN{later}, true},
		"other address":  {[]uplink.WAN{moved}, true},
		"not configured": {nil, true},
	} {
		lines = tt.now
		if got := a.cut(); got != tt.want {
			t.Errorf("%s: cut %v, want %v", name, got, tt.want)
		}
	}
}

// TestGate: of an answer and a copy of its request, the first to come stops the
// other.
func TestGate(t *testing.T) {
	var g gate
	if !g.answered() || g.send() {
		t.Error("a copy goes out though the answer is there")
	}
	g = gate{}
	for range repairTries {
		if !g.send() {
			t.Error("copies are stopped by nothing")
		}
	}
	if g.answered() || g.send() {
		t.Error("an answer is taken at once, or copies go on, though one is out")
	}
}
