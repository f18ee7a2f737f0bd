package ruleset

import (
	"flag"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/cpe/config"
	"tandem/cpe/policy"
)

var update = flag.Bool("update", false, "rewrite golden files")

func fullConfig(t *testing.T) (*config.Config, policy.Facts) {
	t.Helper()
	mac, err := net.ParseMAC("02:00:5E:00:53:01")
	if err != nil {
		t.Fatal(err)
	}
	c := config.Default()
	c.LAN = []string{"br-lan", "br-guest", "br-lan"}
	c.Concentrators = []config.Concentrator{
		{Name: "a", Port: 5124, Addresses: []netip.Addr{netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("2001:db8:9::1")}},
		{Name: "b", Port: 443, Addresses: []netip.Addr{netip.MustParseAddr("203.0.113.8")}},
		{Name: "c", Port: 5124, Addresses: []netip.Addr{netip.MustParseAddr("203.0.113.9")}},
	}
	c.Bypass = config.Bypass{
		Destinations: prefixes("198.51.100.64/26", "198.51.100.0/25", "198.51.100.200/32", "2001:db8:b::/48", "2001:db8:b:1::/64"),
		Ports:        []config.PortRange{{First: 8000, Last: 8100}, {First: 25, Last: 25}, {First: 8050, Last: 8200}, {First: 25, Last: 25}},
		Hosts:        prefixes("192.0.2.66/32", "2001:db8:1:66::/64"),
		MACs:         []net.HardwareAddr{mac, mac},
	}
	return &c, policy.Facts{OnLink: prefixes("192.0.2.0/24", "192.0.2.0/24", "2001:db8:1::/48")}
}

func prefixes(all ...string) []netip.Prefix {
	var ps []netip.Prefix
	for _, s := range all {
		ps = append(ps, netip.MustParsePrefix(s))
	}
	return ps
}

// renderings are the golden cases; the kernel takes each in TestApplyTwice.
func renderings(t *testing.T) map[string]string {
	full, facts := fullConfig(t)
	empty := config.Default()
	none := config.Default()
	none.LAN = nil
	other := config.Default()
	other.Port = 6000
	return map[string]string{
		"full":    Render(full, facts, Intercept),
		"drain":   Render(full, facts, Drain),
		"hold":    Render(full, facts, HoldByRule),
		"default": Render(&empty, policy.Facts{}, Intercept),
		"nolan":   Render(&none, policy.Facts{}, Intercept),
		"port":    Render(&other, policy.Facts{}, Intercept),
		"mwan3":   Render(&empty, policy.Facts{Mwan3: 0x3f00}, Intercept),
		"rules":   Render(withRules(t, everyRule), policy.Facts{}, Intercept),
	}
}

func TestRender(t *testing.T) {
	for name, got := range renderings(t) {
		file := "testdata/" + name + ".nft"
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

// The rule that queues stands where HoldByRule leaves its place.
func TestRenderQueue(t *testing.T) {
	full, facts := fullConfig(t)
	const before, queue = "\t\tmeta mark set meta mark & 0xcfffffff\n", "\t\tqueue flags bypass to 5125\n"
	want := strings.Replace(Render(full, facts, HoldByRule), before, before+queue, 1)
	if diff := cmp.Diff(want, Render(full, facts, Hold)); diff != "" || !strings.Contains(want, queue) {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParseCounters(t *testing.T) {
	const text = `table inet tandem {
	counter intercepted {
		packets 3 bytes 180
	}
	counter bypassed {
		packets 18446744073709551615 bytes 1
	}
	counter other {
		packets 9 bytes 9
	}
}`
	want := Counters{Intercepted: Counter{3, 180}, Bypassed: Counter{1<<64 - 1, 1}}
	if diff := cmp.Diff(want, parseCounters(text)); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
}
