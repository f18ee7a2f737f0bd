package authorise

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"tandem/shared/convert"
)

const (
	allowed   = -1
	malformed = int(convert.MalformedMessage)
	refused   = int(convert.NotAuthorized)
)

func check(d *Destinations, dst string) (int, Refusal) {
	r, ok := d.Check(netip.MustParseAddrPort(dst))
	if ok {
		return allowed, r
	}
	return int(r.Code), r
}

func TestDefaultDestinations(t *testing.T) {
	d := NewDestinations(Policy{
		DenyPorts: []uint16{25},
		Own:       NewOwn(netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("2001:db8:f::1")),
	})
	tests := []struct {
		addr string
		want int
	}{
		// The Internet, and the documentation ranges that stand for it.
		{"8.8.8.8", allowed}, {"203.0.113.10", allowed}, {"192.0.2.1", allowed}, {"198.51.100.2", allowed},
		{"2001:db8::80", allowed}, {"2600::1", allowed}, {"2001:4860::1", allowed}, {"3fff::1", allowed},
		{"9.255.255.255", allowed}, {"11.0.0.0", allowed}, {"172.15.255.255", allowed}, {"172.32.0.0", allowed},
		{"192.167.255.255", allowed}, {"192.169.0.0", allowed}, {"100.63.255.255", allowed}, {"100.128.0.0", allowed},
		{"169.253.255.255", allowed}, {"169.255.0.0", allowed}, {"192.0.1.0", allowed}, {"1.0.0.0", allowed},
		{"198.17.255.255", allowed}, {"198.20.0.0", allowed}, {"223.255.255.255", allowed}, {"168.63.129.17", allowed},
		{"::ffff:203.0.113.10", allowed}, {"64:ff9b::203.0.113.10", allowed},
		{"2002:cb00:710a::1", allowed}, {"2001:0:cb00:710a:0:0:34ff:8ef5", allowed},

		// What RFC 8803 forbids.
		{"0.0.0.0", malformed}, {"127.0.0.1", malformed}, {"127.255.255.255", malformed},
		{"224.0.0.1", malformed}, {"239.255.255.255", malformed}, {"255.255.255.255", malformed},
		{"::", malformed}, {"::1", malformed}, {"ff02::1", malformed}, {"ff0e::1", malformed},
		{"::ffff:127.0.0.1", malformed}, {"::ffff:0.0.0.0", malformed}, {"::ffff:224.0.0.1", malformed},

		// Policy, IPv4.
		{"10.0.0.0", refused}, {"10.255.255.255", refused}, {"172.16.0.0", refused}, {"172.31.255.255", refused},
		{"192.168.0.0", refused}, {"192.168.255.255", refused}, {"100.64.0.0", refused}, {"100.127.255.255", refused},
		{"169.254.0.0", refused}, {"169.254.169.254", refused}, {"169.254.255.255", refused},
		{"192.0.0.0", refused}, {"192.0.0.192", refused}, {"0.0.0.1", refused}, {"0.255.255.255", refused},
		{"198.18.0.0", refused}, {"198.19.255.255", refused}, {"240.0.0.1", refused}, {"255.255.255.254", refused},
		{"100.100.100.200", refused}, {"168.63.129.16", refused}, {"198.51.100.1", refused},

		// Policy, IPv6.
		{"fc00::1", refused}, {"fdff:ffff::1", refused}, {"fe80::1", refused}, {"febf::1", refused}, {"fec0::1", refused},
		{"fe80::1%eth0", refused}, {"fd00:ec2::254", refused}, {"2001:db8:f::1", refused}, {"2001:db8:f::1%eth0", refused},
		{"100::1", refused}, {"5f00::1", refused}, {"4000::1", refused}, {"8000::1", refused}, {"::2", refused},
		{"64:ff9b:1::1", refused}, {"64:ff9b:1::203.0.113.10", refused}, {"64:ff9b:2::1", refused}, {"64:ff9a::1", refused},

		// Other spellings of refused IPv4 addresses.
		{"::ffff:10.0.0.1", refused}, {"::ffff:198.51.100.1", refused}, {"::ffff:169.254.169.254", refused},
		{"64:ff9b::10.0.0.1", refused}, {"64:ff9b::127.0.0.1", refused}, {"64:ff9b::198.51.100.1", refused},
		{"64:ff9b::169.254.169.254", refused}, {"64:ff9b::224.0.0.1", refused}, {"64:ff9b::0.0.0.0", refused},
		{"64:ff9b:1::10.0.0.1", refused}, {"::10.0.0.1", refused}, {"::203.0.113.10", refused}, {"::ffff:0:10.0.0.1", refused},
		{"2002:a00:1::1", refused}, {"2002:7f00:1::1", refused}, {"2002:c0a8:101::", refused}, {"2002:c633:6401::", refused},
		{"2002:a9fe:a9fe::1", refused}, {"2002:e000:1::1", refused},
		{"2001:0:a00:1:0:0:34ff:8ef5", refused},        // Teredo, server 10.0.0.1
		{"2001:0:cb00:710a:0:0:f5ff:fffe", refused},    // Teredo, client 10.0.0.1
		{"2001:0:cb00:710a:0:0:80ff:fffe", refused},    // Teredo, client 127.0.0.1
		{"2001:0:cb00:710a:0:0:39cc:9bfe", refused},    // Teredo, client 198.51.100.1
		{"2001:0:cb00:710a:0:0:5601:5601", refused},    // Teredo, client 169.254.169.254
		{"2001:0:7f00:1:0:0:34ff:8ef5", refused},       // Teredo, server 127.0.0.1
		{"2001:0:cb00:710a:8000:1234:ffff:0", refused}, // Teredo, client 0.0.255.255
	}
	for _, tt := range tests {
		port := netip.AddrPortFrom(netip.MustParseAddr(tt.addr), 443).String()
		if got, r := check(d, port); got != tt.want {
			t.Errorf("%s: got %d (%q), want %d", tt.addr, got, r.Why, tt.want)
		} else if (got == allowed) != (r.Why == "") {
			t.Errorf("%s: allowed %v, reason %q", tt.addr, got == allowed, r.Why)
		}
	}
	if _, ok := d.Check(netip.AddrPort{}); ok {
		t.Error("no address at all: allowed")
	}
}

func TestDestinationPolicy(t *testing.T) {
	pre := func(list ...string) (out []netip.Prefix) {
		for _, s := range list {
			out = append(out, netip.MustParsePrefix(s))
		}
		return out
	}
	own := NewOwn(netip.MustParseAddr("::ffff:198.51.100.1"))
	tests := []struct {
		name   string
		policy Policy
		dst    string
		want   int
	}{
		{"port 25", Policy{DenyPorts: []uint16{25}}, "203.0.113.10:25", refused},
		{"port 25 open", Policy{}, "203.0.113.10:25", allowed},
		{"port 25 to an allowed prefix", Policy{DenyPorts: []uint16{25}, Allow: pre("203.0.113.0/24")}, "203.0.113.10:25", refused},
		{"deny", Policy{Deny: pre("203.0.113.0/24")}, "203.0.113.10:443", refused},
		{"deny, mapped", Policy{Deny: pre("203.0.113.0/24")}, "[::ffff:203.0.113.10]:443", refused},
		{"deny, NAT64", Policy{Deny: pre("203.0.113.0/24")}, "[64:ff9b::203.0.113.10]:443", refused},
		{"deny, 6to4", Policy{Deny: pre("203.0.113.0/24")}, "[2002:cb00:710a::1]:443", refused},
		{"deny all IPv6", Policy{Deny: pre("::/0")}, "[2001:db8::1]:443", refused},
		{"deny all IPv6, IPv4", Policy{Deny: pre("::/0")}, "203.0.113.10:443", allowed},
		{"deny before allow", Policy{Deny: pre("10.1.2.0/24"), Allow: pre("10.1.0.0/16")}, "10.1.2.3:443", refused},
		{"allow", Policy{Deny: pre("10.1.2.0/24"), Allow: pre("10.1.0.0/16")}, "10.1.3.3:443", allowed},
		{"allow, NAT64", Policy{Allow: pre("10.1.0.0/16")}, "[64:ff9b::10.1.3.3]:443", allowed},
		{"allow NAT64, inner refused", Policy{Allow: pre("64:ff9b::/96")}, "[64:ff9b::10.1.3.3]:443", refused},
		{"allow local NAT64", Policy{Allow: pre("64:ff9b:1::/96")}, "[64:ff9b:1::203.0.113.10]:443", allowed},
		{"allow local NAT64, inner refused", Policy{Allow: pre("64:ff9b:1::/96")}, "[64:ff9b:1::10.0.0.1]:443", refused},
		{"allow 0/0 keeps loopback out", Policy{Allow: pre("0.0.0.0/0", "::/0")}, "127.0.0.1:80", malformed},
		{"allow 0/0 keeps mapped loopback out", Policy{Allow: pre("0.0.0.0/0", "::/0")}, "[::ffff:127.0.0.1]:80", malformed},
		{"allow 0/0 keeps 6to4 loopback out", Policy{Allow: pre("0.0.0.0/0", "::/0")}, "[2002:7f00:1::]:80", refused},
		{"allow 0/0 opens metadata", Policy{Allow: pre("0.0.0.0/0")}, "169.254.169.254:80", allowed},
		{"private", Policy{AllowPrivate: true}, "10.0.0.1:443", allowed},
		{"shared", Policy{AllowPrivate: true}, "100.64.0.1:443", allowed},
		{"unique local", Policy{AllowPrivate: true}, "[fd00::1]:443", allowed},
		{"private, 6to4", Policy{AllowPrivate: true}, "[2002:a00:1::1]:443", allowed},
		{"private is not link-local", Policy{AllowPrivate: true}, "169.254.169.254:80", refused},
		{"private is not metadata", Policy{AllowPrivate: true}, "[fd00:ec2::254]:80", refused},
		{"private is not metadata, CGNAT", Policy{AllowPrivate: true}, "100.100.100.200:80", refused},
		{"private is not own", Policy{AllowPrivate: true, Own: NewOwn(netip.MustParseAddr("10.0.0.1"))}, "10.0.0.1:80", refused},
		{"own given as mapped", Policy{Own: own}, "198.51.100.1:80", refused},
		{"own allowed", Policy{Own: own, Allow: pre("198.51.100.1/32")}, "198.51.100.1:80", allowed},
	}
	for _, tt := range tests {
		if got, r := check(NewDestinations(tt.policy), tt.dst); got != tt.want {
			t.Errorf("%s: got %d (%q), want %d", tt.name, got, r.Why, tt.want)
		}
	}
}

// TestEmbeddedSpellings takes each address that is refused as IPv4 through
// every spelling.
func TestEmbeddedSpellings(t *testing.T) {
	d := NewDestinations(Policy{Own: NewOwn(netip.MustParseAddr("203.0.113.1"))})
	inner := []string{"0.0.0.1", "10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.5.5", "192.0.0.8",
		"192.168.1.1", "198.18.0.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"}
	for _, s := range inner {
		v4 := netip.MustParseAddr(s).As4()
		hi, lo := binary.BigEndian.Uint16(v4[:2]), binary.BigEndian.Uint16(v4[2:])
		for _, spelling := range []string{
			s, "::ffff:" + s, "::" + s, "::ffff:0:" + s, "64:ff9b::" + s, "64:ff9b:1::" + s, "64:ff9b:1:7::" + s,
			fmt.Sprintf("2002:%x:%x::1", hi, lo), fmt.Sprintf("2002:%x:%x:ffff:ffff:ffff:ffff:ffff", hi, lo),
			fmt.Sprintf("2001:0:%x:%x:8000:f227:34ff:8ef5", hi, lo),
			fmt.Sprintf("2001:0:cb00:710a:8000:f227:%x:%x", ^hi, ^lo),
		} {
			if r, ok := d.Check(netip.AddrPortFrom(netip.MustParseAddr(spelling), 80)); ok {
				t.Errorf("%s as %s: allowed (%+v)", s, spelling, r)
			}
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add([]byte{127, 0, 0, 1}, uint16(80))
	f.Add(netip.MustParseAddr("2002:7f00:1::").AsSlice(), uint16(80))
	d := NewDestinations(Policy{})
	f.Fuzz(func(t *testing.T, b []byte, port uint16) {
		a, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		_, plain := d.Check(netip.AddrPortFrom(a, port))
		if a.Is4() {
			if _, mapped := d.Check(netip.AddrPortFrom(netip.AddrFrom16(a.As16()), port)); mapped != plain {
				t.Errorf("%s: %v, IPv4-mapped: %v", a, plain, mapped)
			}
			b := netip.MustParseAddr("64:ff9b::").As16()
			copy(b[12:], a.AsSlice())
			if _, nat64 := d.Check(netip.AddrPortFrom(netip.AddrFrom16(b), port)); nat64 != plain {
				t.Errorf("%s: %v, NAT64: %v", a, plain, nat64)
			}
		}
		if plain && (a.Unmap().IsPrivate() || a.Unmap().IsLinkLocalUnicast() || !a.Unmap().IsGlobalUnicast()) {
			t.Errorf("%s is allowed", a)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	p := Policy{DenyPorts: []uint16{25}, Own: NewOwn(netip.MustParseAddr("198.51.100.1"))}
	for i := range 1000 {
		p.Deny = append(p.Deny, netip.PrefixFrom(netip.AddrFrom4([4]byte{90, byte(i >> 8), byte(i), 0}), 24))
	}
	d := NewDestinations(p)
	for _, s := range []string{"203.0.113.10:443", "[2600::1]:443", "[2001:0:cb00:710a::34ff:8ef5]:443", "10.0.0.1:443"} {
		dst := netip.MustParseAddrPort(s)
		b.Run(s, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				d.Check(dst)
			}
		})
	}
}

func TestCheckDoesNotAllocate(t *testing.T) {
	d := NewDestinations(Policy{DenyPorts: []uint16{25}, Deny: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}})
	for _, s := range []string{"8.8.8.8:443", "203.0.113.10:443", "[2001:0:cb00:710a::34ff:8ef5]:443", "10.0.0.1:443", "[::1]:1"} {
		dst := netip.MustParseAddrPort(s)
		if n := testing.AllocsPerRun(100, func() { d.Check(dst) }); n != 0 {
			t.Errorf("%s: %v allocations", s, n)
		}
	}
}
