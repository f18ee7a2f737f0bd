package config

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRule(t *testing.T) {
	c, err := Parse("tandem", strings.NewReader(`config rule 'tv'
	option action 'refuse'
	option proto 'udp'
	list host '02:00:5e:00:53:01'
	list host '192.0.2.0/28'
	list destination '2001:db8::/32'
	list port '443'
	list port '8000-8100'
	list dscp 'EF'
	list dscp '0'
config rule
	option enabled '0'
	option action 'refuse'
	list port '1'
config rule
	option action 'bypass'
	option port '25'
config rule 'games'
	option action 'lowest-delay'
	list dscp 'CS4'
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Rule{
		{
			Name: "tv", Line: 1, Action: ActionRefuse, Proto: UDP,
			Hosts:        []netip.Prefix{netip.MustParsePrefix("192.0.2.0/28")},
			MACs:         []net.HardwareAddr{{2, 0, 0x5e, 0, 0x53, 1}},
			Destinations: []netip.Prefix{netip.MustParsePrefix("2001:db8::/32")},
			Ports:        []PortRange{{443, 443}, {8000, 8100}},
			DSCP:         []uint8{46, 0},
		},
		{Line: 15, Action: ActionBypass, Ports: []PortRange{{25, 25}}},
		{Name: "games", Line: 18, Action: ActionRelay, Mode: LowestDelay, DSCP: []uint8{32}},
	}
	if diff := cmp.Diff(want, c.Rules, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	if got := []string{want[0].String(), want[1].String()}; got[0] != `rule "tv"` || got[1] != "the rule of line 15" {
		t.Errorf("rules are called %q", got)
	}
}

func TestDSCP(t *testing.T) {
	for text, want := range map[string]uint8{
		"0": 0, "63": 63, "EF": 46, "ef": 46, "LE": 1, "CS0": 0, "CS1": 8, "cs7": 56, "AF11": 10, "AF12": 12, "AF43": 38, "af31": 26,
	} {
		if got, err := parseDSCP(text); err != nil || got != want {
			t.Errorf("%q: got %d, %v, want %d", text, got, err, want)
		}
	}
}

// Each mistake in a rule is named by its line and in words. Line 1 begins the
// rule, line 2 is what the row has.
func TestBadRules(t *testing.T) {
	const good = "\toption action 'refuse'\n"
	tests := []struct{ lines, want string }{
		{good, `tandem:1: section rule on line 1: matches everything: name a host, a destination, a port or a dscp`},
		{"\tlist port '25'\n", `tandem:1: section rule on line 1: needs an option action: bond, bypass, failover, lowest-delay, overflow, refuse`},
		{"\tlist port '25'\n\toption action ''\n", `tandem:1: section rule on line 1: needs an option action: bond, bypass, failover, lowest-delay, overflow, refuse`},
		{"\toption action 'drop'\n\tlist port '25'\n", `tandem:2: option "action": "drop" is not one of bond, bypass, failover, lowest-delay, overflow, refuse`},
		{"\toption action 'REFUSE'\n\tlist port '25'\n", `tandem:2: option "action": "REFUSE" is not one of bond, bypass, failover, lowest-delay, overflow, refuse`},
		{"\tlist action 'refuse'\n\tlist port '25'\n", "tandem:1: section rule on line 1: needs an option action: bond, bypass, failover, lowest-delay, overflow, refuse\n" +
			`tandem:2: list "action": holds one value: write option action`},
		{good + good + "\tlist port '25'\n", `tandem:3: option "action": given twice, first on line 2`},
		{good + "\toption enabled 'perhaps'\n\tlist port '25'\n", `tandem:3: option "enabled": "perhaps" is not a boolean: write 1 or 0 (yes/no, on/off, true/false, enabled/disabled)`},
		{good + "\toption proto 'sctp'\n\tlist port '25'\n", `tandem:3: option "proto": "sctp" is not one of any, tcp, udp`},
		{good + "\toption proto '6'\n\tlist port '25'\n", `tandem:3: option "proto": "6" is not one of any, tcp, udp`},
		{"\toption action 'overflow'\n\toption proto 'udp'\n\tlist port '25'\n", `tandem:3: option "proto": "overflow" carries TCP only: write tcp, or an action of bypass or refuse`},
		{good + "\toption proto 'udp'\n", `tandem:1: section rule on line 1: matches everything: name a host, a destination, a port or a dscp`},
		{good + "\tlist port '0'\n", `tandem:3: list "port": "0" is not a port from 1 to 65535 or a range such as 8000-8100`},
		{good + "\tlist port '65536'\n", `tandem:3: list "port": "65536" is not a port from 1 to 65535 or a range such as 8000-8100`},
		{good + "\tlist port '90-80'\n", `tandem:3: list "port": "90-80" is not a port from 1 to 65535 or a range such as 8000-8100`},
		{good + "\tlist port '80,443'\n", `tandem:3: list "port": "80,443" is not a port from 1 to 65535 or a range such as 8000-8100`},
		{good + "\tlist port 'https'\n", `tandem:3: list "port": "https" is not a port from 1 to 65535 or a range such as 8000-8100`},
		{good + "\tlist port '25'\n\tlist port ''\n", `tandem:4: list "port": empty value`},
		{good + "\tlist host '192.0.2.1/24'\n", `tandem:3: list "host": "192.0.2.1/24" has bits set after its prefix length: write 192.0.2.0/24, or a MAC address such as 02:00:5e:00:53:01`},
		{good + "\tlist host 'printer'\n", `tandem:3: list "host": "printer" is not an address or a prefix such as 198.51.100.0/24 or 2001:db8::/32, or a MAC address such as 02:00:5e:00:53:01`},
		{good + "\tlist host '02:00:5e:00:53'\n", `tandem:3: list "host": "02:00:5e:00:53" is not an address or a prefix such as 198.51.100.0/24 or 2001:db8::/32, or a MAC address such as 02:00:5e:00:53:01`},
		{good + "\tlist host '!192.0.2.1'\n", `tandem:3: list "host": "!192.0.2.1" is not an address or a prefix such as 198.51.100.0/24 or 2001:db8::/32, or a MAC address such as 02:00:5e:00:53:01`},
		{good + "\tlist destination '198.51.100.300'\n", `tandem:3: list "destination": "198.51.100.300" is not an address or a prefix such as 198.51.100.0/24 or 2001:db8::/32`},
		{good + "\tlist destination '2001:db8::1/32'\n", `tandem:3: list "destination": "2001:db8::1/32" has bits set after its prefix length: write 2001:db8::/32`},
		{good + "\tlist destination '02:00:5e:00:53:01'\n", `tandem:3: list "destination": "02:00:5e:00:53:01" is not an address or a prefix such as 198.51.100.0/24 or 2001:db8::/32`},
		{good + "\tlist destination 'server.example'\n", `tandem:3: list "destination": "server.example" is not an address or a prefix such as 198.51.100.0/24 or 2001:db8::/32`},
		{good + "\tlist dscp '64'\n", `tandem:3: list "dscp": "64" is not a DSCP: 0 to 63, or EF, LE, CS0 to CS7, AF11 to AF43`},
		{good + "\tlist dscp 'AF14'\n", `tandem:3: list "dscp": "AF14" is not a DSCP: 0 to 63, or EF, LE, CS0 to CS7, AF11 to AF43`},
		{good + "\tlist dscp 'CS8'\n", `tandem:3: list "dscp": "CS8" is not a DSCP: 0 to 63, or EF, LE, CS0 to CS7, AF11 to AF43`},
		{good + "\tlist dscp '0x2e'\n", `tandem:3: list "dscp": "0x2e" is not a DSCP: 0 to 63, or EF, LE, CS0 to CS7, AF11 to AF43`},
		{good + "\tlist dscp '-1'\n", `tandem:3: list "dscp": "-1" is not a DSCP: 0 to 63, or EF, LE, CS0 to CS7, AF11 to AF43`},
		{good + "\tlist host '192.0.2.1'\n\tlist destination '2001:db8::/32'\n", `tandem:1: section rule on line 1: matches nothing: its hosts are of one IP version, its destinations of the other`},
		{good + "\tlist ports '25'\n", "tandem:1: section rule on line 1: matches everything: name a host, a destination, a port or a dscp\n" +
			`tandem:3: unknown option "ports" in section rule: known are action, destination, dscp, enabled, host, port, proto`},
		{good + "\tlist source '192.0.2.1'\n\tlist port '25'\n", `tandem:3: unknown option "source" in section rule: known are action, destination, dscp, enabled, host, port, proto`},
		{good + elements("port", maxRuleList+1), `tandem:3: list "port": has 257 elements: at most 256 are allowed in a rule`},
		{"\toption enabled '0'\n" + good + "\tlist port '0'\n", `tandem:4: list "port": "0" is not a port from 1 to 65535 or a range such as 8000-8100`},
		{good + "\tlist port '25'\n" + strings.Repeat("config rule\n"+good+"\tlist port '25'\n", maxRules), `tandem:385: section rule on line 385: at most 128 rules may be enabled`},
	}
	for _, tt := range tests {
		c, err := Parse("tandem", strings.NewReader("config rule\n"+tt.lines))
		if err == nil || c != nil || err.Error() != tt.want {
			t.Errorf("%q:\n got %v\nwant %s", tt.lines, err, tt.want)
		}
	}
	if len(tests) < 30 {
		t.Errorf("%d mistakes, want at least 30", len(tests))
	}
}

func elements(option string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "\tlist %s '%d'\n", option, i+1)
	}
	return b.String()
}
