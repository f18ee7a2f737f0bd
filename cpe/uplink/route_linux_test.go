package uplink

import (
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"tandem/cpe/config"
	"tandem/shared/logline"
	"tandem/shared/mptcp"
)

// TestRouted: an address is no use before a route leads on from it, in whichever
// table that is.
func TestRouted(t *testing.T) {
	for _, tt := range []struct{ name, far, own, gateway string }{
		{"IPv4", "203.0.113.1", "198.51.100.2/30", "198.51.100.1"},
		{"IPv6", "2001:db8:f::1", "2001:db8:1::2/64", "2001:db8:1::1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inNamespace(t, func() {
				dsl, _ := cable(t, "dsl", "far")
				lte, _ := cable(t, "lte", "far2")
				add(t, dsl, tt.own, nil)
				own := netip.MustParsePrefix(tt.own).Addr()
				to := []config.Concentrator{{Addresses: []netip.Addr{netip.MustParseAddr(tt.far)}}}
				w := WAN{Index: dsl.Attrs().Index, Addrs: []netip.Addr{own}}
				want := func(when string, want bool) {
					t.Helper()
					if got := routed(w, to); got != want {
						t.Errorf("%s: %v", when, got)
					}
				}
				far := to[0].Addresses[0]
				bySource := func(when string, want bool) {
					t.Helper()
					if got := w.BySource(far); got != want {
						t.Errorf("%s, no device asked for: %v", when, got)
					}
				}
				want("an address only", false)
				bySource("an address only", false)
				route := &netlink.Route{LinkIndex: dsl.Attrs().Index, Gw: net.ParseIP(tt.gateway)}
				if err := netlink.RouteAdd(route); err != nil {
					t.Fatal(err)
				}
				want("a default route", true)
				bySource("a default route", true)
				w.Index = lte.Attrs().Index
				want("a default route over another device", false)
				bySource("a default route over another device", false)
				w.Index = dsl.Attrs().Index
				if err := netlink.RouteDel(route); err != nil {
					t.Fatal(err)
				}
				want("none again", false)
				route.Table = 101
				if err := netlink.RouteAdd(route); err != nil {
					t.Fatal(err)
				}
				want("in a table that nobody is sent to", false)
				rule := netlink.NewRule()
				rule.Src, rule.Table = &net.IPNet{IP: own.AsSlice(), Mask: net.CIDRMask(own.BitLen(), own.BitLen())}, 101
				if rule.Family = netlink.FAMILY_V4; own.Is6() {
					rule.Family = netlink.FAMILY_V6
				}
				if err := netlink.RuleAdd(rule); err != nil {
					t.Fatal(err)
				}
				want("in the table of its address", true)
				bySource("in the table of its address", true)
				if err := netlink.RouteDel(route); err != nil {
					t.Fatal(err)
				}
				w.pointToPoint = true
				want("none, but a device with one peer", own.Is4())
				w.Addrs = nil
				want("no address of the family", true)
			})
		})
	}
}

// endpointLog is a path manager that keeps its list.
type endpointLog struct {
	mu   sync.Mutex
	list []mptcp.Endpoint
}

func (l *endpointLog) Endpoints() ([]mptcp.Endpoint, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]mptcp.Endpoint(nil), l.list...), nil
}

func (l *endpointLog) AddEndpoint(e mptcp.Endpoint) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, e)
	return nil
}

func (l *endpointLog) DelEndpoint(e mptcp.Endpoint) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.list {
		if l.list[i].Addr == e.Addr {
			l.list = append(l.list[:i], l.list[i+1:]...)
			break
		}
	}
	return nil
}

func (l *endpointLog) Limits() (mptcp.Limits, error) { return mptcp.Limits{}, nil }
func (l *endpointLog) SetLimits(mptcp.Limits) error  { return nil }

// TestEndpointWaitsForRoute: a line gets its endpoint when a route leads on from
// its address, of which no event tells.
func TestEndpointWaitsForRoute(t *testing.T) {
	inNamespace(t, func() {
		dsl, _ := cable(t, "dsl", "far")
		add(t, dsl, "198.51.100.2/30", nil)
		pm := new(endpointLog)
		c := &config.Config{
			WANs:          []config.WAN{{Name: "dsl", Device: "dsl"}},
			Concentrators: []config.Concentrator{{Addresses: []netip.Addr{netip.MustParseAddr("203.0.113.1")}}},
		}
		tracker, err := NewTracker(logline.New(io.Discard), pm, c, true)
		if err != nil {
			t.Fatal(err)
		}
		if w := tracker.WANs()[0]; w.Up || w.Reason != `device "dsl" has no route to a concentrator yet` {
			t.Errorf("without a route: up %v, %q", w.Up, w.Reason)
		}
		if list, _ := pm.Endpoints(); len(list) != 0 {
			t.Errorf("without a route: endpoints %v", list)
		}
		if err := netlink.RouteAdd(&netlink.Route{LinkIndex: dsl.Attrs().Index, Gw: net.IP{198, 51, 100, 1}}); err != nil {
			t.Fatal(err)
		}
		// Another thread than this one would not see this namespace.
		for end := time.Now().Add(5 * time.Second); !tracker.WANs()[0].Up && time.Now().Before(end); {
			tracker.Poke()
		}
		if list, _ := pm.Endpoints(); !tracker.WANs()[0].Up || len(list) != 1 {
			t.Errorf("with a route: %+v, endpoints %v", tracker.WANs()[0], list)
		}
	})
}
