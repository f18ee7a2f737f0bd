package ruleset

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/cpe/policy"
	"tandem/shared/localdelivery"
)

// state is all that this package may change in the router.
func (n *network) state(t *testing.T) string {
	t.Helper()
	return strings.Join([]string{
		n.ip(t, "router", "-4 rule show"), n.ip(t, "router", "-6 rule show"),
		n.ip(t, "router", "-4 route show table all"), n.ip(t, "router", "-6 route show table all"),
		n.listing(t),
	}, "\n")
}

func (n *network) removeAll(t *testing.T) {
	t.Helper()
	n.in(t, "router", func() error {
		if err := (NFT{}).Remove(context.Background()); err != nil {
			return err
		}
		return Routing().Remove()
	})
}

func TestInstallAndRemoveTwice(t *testing.T) {
	n := newNetwork(t)
	// What others made stays: a rule beside ours, a route in our table, a table.
	n.ip(t, "router", "rule add priority 512 fwmark 0x1/0x1 lookup 99")
	n.ip(t, "router", "route add unreachable 198.51.100.0/24 table 5125")
	n.in(t, "router", func() error {
		return NFT{}.Apply(context.Background(), "table inet other {\n chain c {\n }\n}\n")
	})
	before := n.state(t)
	n.removeAll(t)
	if diff := cmp.Diff(before, n.state(t)); diff != "" {
		t.Errorf("remove with nothing installed (-before +after):\n%s", diff)
	}

	install := func() {
		n.installRouting(t, localdelivery.Families{IPv4: true, IPv6: true})
		n.apply(t, Render(labConfig(), policy.Facts{}, Intercept))
	}
	install()
	first := n.state(t)
	for _, want := range []string{"512:\tfrom all fwmark 0x10000000/0x30000000 lookup 5125", "local default dev lo table 5125"} {
		if got := strings.Count(first, want); got != 2 {
			t.Errorf("%q stands %d times, want once for each family:\n%s", want, got, first)
		}
	}
	install()
	if diff := cmp.Diff(first, n.state(t)); diff != "" {
		t.Errorf("second install (-first +second):\n%s", diff)
	}

	n.removeAll(t)
	if diff := cmp.Diff(before, n.state(t)); diff != "" {
		t.Errorf("after remove (-before +after):\n%s", diff)
	}
	n.removeAll(t)
	if diff := cmp.Diff(before, n.state(t)); diff != "" {
		t.Errorf("after the second remove (-before +after):\n%s", diff)
	}
}

func TestRoutingWithoutIPv6(t *testing.T) {
	for _, device := range []string{"all", "lo"} {
		t.Run(device, func(t *testing.T) {
			n := newNetwork(t)
			n.serve(t, 80)
			n.sysctl(t, "router", "net/ipv6/conf/"+device+"/disable_ipv6", "1")
			before := n.state(t)
			n.installRouting(t, localdelivery.Families{IPv4: true})
			n.installRouting(t, localdelivery.Families{IPv4: true})
			n.apply(t, Render(labConfig(), policy.Facts{}, Intercept))
			n.intercept(t)
			n.want(t, "", web4, "proxy")
			n.removeAll(t)
			if diff := cmp.Diff(before, n.state(t)); diff != "" {
				t.Errorf("after remove (-before +after):\n%s", diff)
			}
		})
	}
}
