package source

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func prefixes(s string) (all []netip.Prefix) {
	for _, p := range strings.Fields(s) {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}

func TestChoose(t *testing.T) {
	owners, conflicts := NewOwners([]Owned{
		{netip.MustParsePrefix("2001:db8:100::/56"), "a"},
		{netip.MustParsePrefix("192.0.2.0/28"), "a"},
		{netip.MustParsePrefix("2001:db8:200::/56"), "b"},
		{netip.MustParsePrefix("192.0.2.16/28"), "b"},
		{netip.MustParsePrefix("198.51.100.77/32"), "b"},
	})
	if len(conflicts) > 0 {
		t.Fatal(conflicts)
	}
	rules := Rules{Default: Shared, Preserve: prefixes("198.51.100.0/24 2001:db8:d::/48"), Owners: owners}
	const v4, v6 = "203.0.113.10", "2001:db8:f::10"
	own := prefixes("2001:db8:100::/56 192.0.2.0/28")
	for _, tt := range []struct {
		name           string
		mode           Mode
		prefixes       []netip.Prefix
		cpe, host, dst string
		want           string // address, "" shared, "host?", or a part of the refusal
		unproven       bool
	}{
		{"by default shared", "", nil, "198.51.100.2", "", v4, "", false},
		{"shared", Shared, nil, "198.51.100.2", "", v4, "", false},
		{"the CPE's", Preserved, nil, "198.51.100.2", "", v4, "198.51.100.2", true},
		{"the CPE's, IPv6", Preserved, nil, "2001:db8:d::2", "", v6, "2001:db8:d::2", true},
		{"the CPE's, as it comes from a socket", Preserved, nil, "::ffff:198.51.100.2", "", v4, "198.51.100.2", true},
		{"the CPE has none of that family", Preserved, nil, "198.51.100.2", "", v6, "", false},
		{"the CPE comes from elsewhere", Preserved, nil, "203.0.113.99", "", v4, "", false},
		{"the CPE comes from another client's", Preserved, nil, "198.51.100.77", "", v4, "client \"b\"", false},
		{"a LAN host's own, IPv4", Preserved, own, "198.51.100.2", "192.0.2.10", v4, "192.0.2.10", false},
		{"a LAN host's own, IPv6", Preserved, own, "198.51.100.2", "2001:db8:100::10", v6, "2001:db8:100::10", false},
		{"a LAN host that is not named", Preserved, own, "198.51.100.2", "", v6, "host?", false},
		{"a LAN host behind translation", Preserved, own, "198.51.100.2", "192.168.1.5", v4, "198.51.100.2", true},
		{"a LAN host of nobody's", Preserved, own, "2001:db8:d::2", "2001:db8:300::1", v6, "2001:db8:d::2", true},
		{"another client's host", Preserved, own, "198.51.100.2", "2001:db8:200::10", v6, "client \"b\"", false},
		{"another client's host, IPv4", Preserved, own, "198.51.100.2", "192.0.2.20", v4, "client \"b\"", false},
		{"another client's host, mapped", Preserved, own, "198.51.100.2", "::ffff:192.0.2.20", v4, "client \"b\"", false},
		{"another client's host, who shares", Shared, nil, "198.51.100.2", "192.0.2.20", v4, "client \"b\"", false},
		{"own prefix has the CPE", Preserved, prefixes("192.0.2.0/28"), "192.0.2.1", "192.168.1.5", v4, "192.0.2.1", false},
		{"translated", Prefix, prefixes("2001:db8:100::/56"), "198.51.100.2", "fd00::10", v6, "in own", false},
		{"translated, its own", Prefix, prefixes("2001:db8:100::/56"), "198.51.100.2", "2001:db8:100:5::10", v6, "2001:db8:100:5::10", false},
		{"translated, another client's host", Prefix, prefixes("2001:db8:100::/56"), "198.51.100.2", "2001:db8:200:5::10", v6, "client \"b\"", false},
		{"translated, not named", Prefix, prefixes("2001:db8:100::/56"), "198.51.100.2", "", v6, "host?", false},
		{"translated, IPv4", Prefix, prefixes("2001:db8:100::/56"), "198.51.100.2", "", v4, "", false},
		{"translated, impossible", Prefix, prefixes("2001:db8:100::/56"), "198.51.100.2", "fd00::", v6, "no translation", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &Client{Name: "a", Mode: tt.mode, Prefixes: tt.prefixes}
			var host netip.Addr
			if tt.host != "" {
				host = netip.MustParseAddr(tt.host)
			}
			got, err := rules.Choose(c, Request{netip.MustParseAddr(tt.cpe), host, netip.MustParseAddr(tt.dst)})
			var refused *Refused
			text := ""
			switch {
			case errors.Is(err, ErrHostUnknown):
				text = "host?"
			case errors.As(err, &refused):
				text = err.Error()
			case err != nil:
				t.Fatal(err)
			case got.Addr.IsValid():
				text = got.Addr.String()
			}
			if tt.want == "in own" && got.Addr.IsValid() && tt.prefixes[0].Contains(got.Addr) {
				return
			}
			if text != tt.want && (refused == nil || !strings.Contains(text, tt.want)) || tt.want == "" && text != "" || got.Unproven != tt.unproven {
				t.Errorf("%q, unproven %v; want %q, %v", text, got.Unproven, tt.want, tt.unproven)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		mode     Mode
		prefixes string
		want     string
	}{
		{"", "", ""},
		{Shared, "", ""},
		{Preserved, "", ""},
		{Preserved, "2001:db8:100::/56 192.0.2.0/28 198.51.100.2/32", ""},
		{Prefix, "2001:db8:100::/56", ""},
		{"mine", "", "is not one of"},
		{Shared, "192.0.2.0/28", "only a client with source"},
		{"", "192.0.2.0/28", "only a client with source"},
		{Prefix, "", "exactly one IPv6 prefix"},
		{Prefix, "192.0.2.0/28", "exactly one IPv6 prefix"},
		{Prefix, "2001:db8:100::/56 192.0.2.0/28", "exactly one IPv6 prefix"},
		{Prefix, "2001:db8:100::/96", "longer than the 64 bits"},
		{Preserved, "192.0.2.0/28 192.0.2.8/29", "given twice"},
		{Preserved, "192.0.2.1/28", "has bits set"},
		{Preserved, "127.0.0.0/8", "cannot be a client's"},
		{Preserved, "224.0.0.0/8", "cannot be a client's"},
		{Preserved, "fe80::/64", "cannot be a client's"},
		{Preserved, "::/0", "cannot be a client's"},
		{Preserved, "::ffff:192.0.2.0/124", "a.b.c.d/n"},
	} {
		err := Check(tt.mode, prefixes(tt.prefixes))
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q %q: %v; want %q", tt.mode, tt.prefixes, err, tt.want)
		}
	}
}

func TestOwners(t *testing.T) {
	o, conflicts := NewOwners([]Owned{
		{netip.MustParsePrefix("2001:db8:100::/56"), "a"},
		{netip.MustParsePrefix("2001:db8::/32"), "b"},           // around a's
		{netip.MustParsePrefix("2001:db8:100:1::/64"), "c"},     // in a's
		{netip.MustParsePrefix("2001:db8:100:100::/56"), "d"},   // the next
		{netip.MustParsePrefix("2001:db8:100:100::5/128"), "e"}, // in d's
		{netip.MustParsePrefix("0.0.0.0/8"), "f"},
	})
	var said []string
	for _, c := range conflicts {
		said = append(said, c.Owned.Client+"<"+c.Has.Client)
	}
	if fmt.Sprint(said) != "[b<a c<a e<d]" {
		t.Errorf("conflicts %v", conflicts)
	}
	for a, want := range map[string]string{
		"2001:db8:100:ff::1": "a", "2001:db8:100:100::5": "d", "2001:db8:100:200::": "", "2001:db8::": "", "0.1.2.3": "f", "1.0.0.0": "", "::": "",
	} {
		if got, ok := o.Of(netip.MustParseAddr(a)); got != want || ok != (want != "") {
			t.Errorf("%s is %q's, want %q", a, got, want)
		}
	}
	if _, ok := (*Owners)(nil).Of(netip.MustParseAddr("::1")); ok {
		t.Error("no owners, and one found")
	}
}

// The decision is on the path of every connection.
func BenchmarkChoose(b *testing.B) {
	var all []Owned
	for i := range 10_000 {
		p := netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 0x0d, 0xb8, byte(i >> 8), byte(i)}), 56)
		all = append(all, Owned{p, fmt.Sprint("client", i)})
	}
	owners, _ := NewOwners(all)
	rules := Rules{Default: Shared, Owners: owners}
	c := &Client{Name: "client5000", Mode: Preserved, Prefixes: []netip.Prefix{all[5000].Prefix}}
	q := Request{CPE: netip.MustParseAddr("198.51.100.2"), Host: all[5000].Prefix.Addr().Next(), Dst: netip.MustParseAddr("2001:db8:ffff::1")}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := rules.Choose(c, q); err != nil {
			b.Fatal(err)
		}
	}
}
