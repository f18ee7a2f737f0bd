package uplink

import (
	"net/netip"
	"testing"
	"time"

	"tandem/cpe/config"
)

func TestFirst(t *testing.T) {
	v4, v6 := netip.MustParseAddr("198.51.100.2"), netip.MustParseAddr("2001:db8::2")
	dst4, dst6 := netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("2001:db8:f::1")
	wan := func(name string, role config.Role, up bool, addrs ...netip.Addr) WAN {
		return WAN{Name: name, Role: role, Up: up, Addrs: addrs}
	}
	for _, tt := range []struct {
		name string
		wans []WAN
		dst  netip.Addr
		want string
	}{
		{"none", nil, dst4, ""},
		{"the primary", []WAN{wan("lte", config.Secondary, true, v4), wan("dsl", config.Primary, true, v4)}, dst4, "dsl"},
		{"the first of equals", []WAN{wan("a", config.Primary, true, v4), wan("b", config.Primary, true, v4)}, dst4, "a"},
		{"the primary is down", []WAN{wan("dsl", config.Primary, false, v4), wan("lte", config.Secondary, true, v4)}, dst4, "lte"},
		{"standby last", []WAN{wan("s", config.Standby, true, v4), wan("lte", config.Secondary, true, v4)}, dst4, "lte"},
		{"standby alone", []WAN{wan("s", config.Standby, true, v4)}, dst4, "s"},
		{"no address of the family", []WAN{wan("dsl", config.Primary, true, v4), wan("lte", config.Secondary, true, v4, v6)}, dst6, "lte"},
		{"all down", []WAN{wan("dsl", config.Primary, false, v4)}, dst4, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := First(tt.wans, tt.dst, config.Bond)
			if got.Name != tt.want || ok != (tt.want != "") {
				t.Errorf("got %q, %v; want %q", got.Name, ok, tt.want)
			}
		})
	}
}

// TestSince: a line that was away for a moment counts from its return.
func TestSince(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(s, 0) }
	step := func(now int64, old []WAN, up bool) []WAN {
		wans := []WAN{{Name: "dsl", Up: up}}
		since(at(now), old, wans)
		return wans
	}
	first := step(1, nil, true)
	still := step(2, first, true)
	if !first[0].Since.Equal(at(1)) || !still[0].Since.Equal(at(1)) {
		t.Errorf("since %v, then %v", first[0].Since, still[0].Since)
	}
	back := step(4, step(3, still, false), true)
	if !back[0].Since.Equal(at(4)) {
		t.Errorf("back since %v, want %v", back[0].Since, at(4))
	}
}
