package connect

import (
	"fmt"
	"net/netip"
	"testing"
)

func TestSources(t *testing.T) {
	all := Sources{
		netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("203.0.113.2"),
		netip.MustParseAddr("203.0.113.3"), netip.MustParseAddr("2001:db8::1"),
	}
	count := map[netip.Addr]int{}
	moved := 0
	for i := range 3000 {
		client := fmt.Sprintf("client-%d", i)
		a := all.For(client, false)
		count[a]++
		if all.For(client, true) != all[3] {
			t.Fatal("the only IPv6 address is not used")
		}
		if less := all[1:].For(client, false); a != all[0] && less != a {
			moved++
		}
	}
	for _, a := range all[:3] {
		if n := count[a]; n < 900 || n > 1100 {
			t.Errorf("%s has %d of 3,000 clients", a, n)
		}
	}
	if moved > 0 {
		t.Errorf("%d clients moved although their address stayed", moved)
	}
	if a := all[:3].For("x", true); a.IsValid() {
		t.Errorf("IPv6 from %s", a)
	}
}
