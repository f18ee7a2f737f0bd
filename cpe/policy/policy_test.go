package policy

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"tandem/cpe/config"
)

func sample() (*config.Config, Facts) {
	c := config.Default()
	c.Concentrators = []config.Concentrator{{
		Name: "home", Port: 5124,
		Addresses: []netip.Addr{netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("2001:db8:c::1")},
	}}
	c.Bypass = config.Bypass{
		Destinations: prefixes("198.51.100.0/25", "198.51.100.64/26", "198.51.100.200/32", "2001:db8:b::/48"),
		Ports:        []config.PortRange{{First: 8000, Last: 8100}, {First: 25, Last: 25}, {First: 8050, Last: 8200}},
		Hosts:        prefixes("192.0.2.66/32", "2001:db8:1:66::/64"),
	}
	f := Facts{
		Local:  []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8:1::1")},
		OnLink: prefixes("192.0.2.0/24", "2001:db8:1::/48"),
	}
	return &c, f
}

func prefixes(all ...string) []netip.Prefix {
	var ps []netip.Prefix
	for _, s := range all {
		ps = append(ps, netip.MustParsePrefix(s))
	}
	return ps
}

func TestDecide(t *testing.T) {
	tests := []struct{ src, dst, want string }{
		{"192.0.2.9:1", "198.51.100.128:80", "relay "},
		{"192.0.2.9:1", "198.51.100.199:443", "relay "},
		{"[2001:db8:1:9::1]:1", "[2001:db8:ffff::1]:80", "relay "},
		{"[::ffff:192.0.2.9]:1", "[::ffff:198.51.100.128]:80", "relay "},
		{"192.0.2.9:1", "198.51.100.128:5125", "relay "},
		{"192.0.2.9:1", "198.51.100.0:80", "bypass destination in bypass"},
		{"192.0.2.9:1", "198.51.100.127:80", "bypass destination in bypass"},
		{"192.0.2.9:1", "198.51.100.200:80", "bypass destination in bypass"},
		{"192.0.2.9:1", "198.51.100.201:80", "relay "},
		{"[::ffff:192.0.2.9]:1", "[::ffff:198.51.100.64]:80", "bypass destination in bypass"},
		{"[2001:db8:1:9::1]:1", "[2001:db8:b:ffff::1]:80", "bypass destination in bypass"},
		{"[2001:db8:1:9::1]:1", "[2001:db8:a::]:80", "relay "},
		{"192.0.2.9:1", "198.51.100.128:25", "bypass port in bypass"},
		{"192.0.2.9:1", "198.51.100.128:26", "relay "},
		{"192.0.2.9:1", "198.51.100.128:7999", "relay "},
		{"192.0.2.9:1", "198.51.100.128:8000", "bypass port in bypass"},
		{"192.0.2.9:1", "198.51.100.128:8150", "bypass port in bypass"},
		{"192.0.2.9:1", "198.51.100.128:8201", "relay "},
		{"192.0.2.66:1", "198.51.100.128:80", "bypass host in bypass"},
		{"[2001:db8:1:66::5]:1", "[2001:db8:ffff::1]:80", "bypass host in bypass"},
		{"192.0.2.9:1", "203.0.113.1:5124", "bypass concentrator"},
		{"192.0.2.9:1", "203.0.113.1:22", "bypass concentrator"},
		{"[2001:db8:1:9::1]:1", "[2001:db8:c::1]:5124", "bypass concentrator"},
		{"192.0.2.9:1", "192.0.2.200:80", "bypass network on link"},
		{"[2001:db8:1:9::1]:1", "[2001:db8:1:7::1]:80", "bypass network on link"},
		{"192.0.2.9:1", "192.0.2.1:80", "bypass own address"},
		{"192.0.2.9:1", "10.1.2.3:80", "bypass private or special range"},
		{"192.0.2.9:1", "172.31.255.255:80", "bypass private or special range"},
		{"192.0.2.9:1", "172.32.0.0:80", "relay "},
		{"192.0.2.9:1", "192.168.1.1:80", "bypass private or special range"},
		{"192.0.2.9:1", "100.127.0.1:80", "bypass private or special range"},
		{"192.0.2.9:1", "100.128.0.1:80", "relay "},
		{"192.0.2.9:1", "169.254.169.254:80", "bypass private or special range"},
		{"192.0.2.9:1", "127.0.0.1:80", "bypass private or special range"},
		{"192.0.2.9:1", "0.0.0.0:80", "bypass private or special range"},
		{"192.0.2.9:1", "224.0.0.1:80", "bypass private or special range"},
		{"192.0.2.9:1", "255.255.255.255:80", "bypass private or special range"},
		{"[2001:db8:1:9::1]:1", "[::1]:80", "bypass private or special range"},
		{"[2001:db8:1:9::1]:1", "[fd00::1]:80", "bypass private or special range"},
		{"[fe80::1%eth0]:1", "[fe80::2%eth0]:80", "bypass private or special range"},
		{"[2001:db8:1:9::1]:1", "[ff02::1]:80", "bypass private or special range"},
		{"[2001:db8:1:9::1]:1", "[64:ff9b::c000:201]:80", "bypass private or special range"},
		{"192.0.2.9:1", "192.0.2.1:5125", "refuse the listener itself"},
		{"192.0.2.9:1", "10.0.0.1:5125", "refuse the listener itself"},
		{"[2001:db8:1:9::1]:1", "[2001:db8:1::1]:5125", "refuse the listener itself"},
		{"192.0.2.9:1", "198.51.100.128:0", "refuse not an address"},
	}
	c, f := sample()
	p := New(c, f)
	for _, tt := range tests {
		d := p.Decide(Flow{Src: netip.MustParseAddrPort(tt.src), Dst: netip.MustParseAddrPort(tt.dst)})
		if got := fmt.Sprintf("%v %s", d.Verdict, d.Reason); got != tt.want {
			t.Errorf("%s to %s: got %q, want %q", tt.src, tt.dst, got, tt.want)
		}
	}
	if d := p.Decide(Flow{}); d.Verdict != Refuse {
		t.Errorf("zero flow: got %v, want refuse", d.Verdict)
	}
}

func TestReservedIsSorted(t *testing.T) {
	all := Reserved()
	for i := range all {
		if all[i] != all[i].Masked() {
			t.Errorf("%v has host bits", all[i])
		}
		if i > 0 && (all[i-1].Overlaps(all[i]) || !all[i-1].Addr().Less(all[i].Addr())) {
			t.Errorf("%v before %v", all[i-1], all[i])
		}
	}
	for _, s := range []string{"192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1"} {
		if newRanges(all).contains(netip.MustParseAddr(s)) {
			t.Errorf("%s is reserved; the lab lives there", s)
		}
	}
}

// The binary search agrees with asking each prefix.
func TestRangesAgainstPrefixes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	address := func() netip.Addr {
		if random.IntN(2) == 0 {
			return netip.AddrFrom4([4]byte{198, 51, byte(random.IntN(4)), byte(random.IntN(256))})
		}
		return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(random.IntN(256))})
	}
	for range 200 {
		var ps []netip.Prefix
		for range random.IntN(12) {
			a := address()
			ps = append(ps, netip.PrefixFrom(a, a.BitLen()-random.IntN(9)).Masked())
		}
		set := newRanges(ps)
		for range 200 {
			a, want := address(), false
			for _, p := range ps {
				want = want || p.Contains(a)
			}
			if got := set.contains(a); got != want {
				t.Fatalf("%v in %v: got %v, want %v", a, ps, got, want)
			}
		}
	}
}

func TestDecideAllocatesNothing(t *testing.T) {
	p, flow := large()
	if n := testing.AllocsPerRun(100, func() { p.Decide(flow) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

// large has 10,000 prefixes and a flow that matches none.
func large() (*Policy, Flow) {
	c, f := sample()
	for i := range 10000 {
		a := netip.AddrFrom4([4]byte{203, byte(i >> 7), byte(i << 1), 0})
		c.Bypass.Destinations = append(c.Bypass.Destinations, netip.PrefixFrom(a, 24))
	}
	return New(c, f), Flow{Src: netip.MustParseAddrPort("192.0.2.9:1"), Dst: netip.MustParseAddrPort("203.0.1.1:80")}
}

func BenchmarkDecide(b *testing.B) {
	p, flow := large()
	if d := p.Decide(flow); d.Verdict != Relay {
		b.Fatalf("got %v %s, want relay", d.Verdict, d.Reason)
	}
	b.ReportAllocs()
	for b.Loop() {
		p.Decide(flow)
	}
}
