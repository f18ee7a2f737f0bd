package source

import (
	"math/rand/v2"
	"net/netip"
	"testing"
)

func TestTranslate(t *testing.T) {
	for _, tt := range []struct{ name, inside, outside, host, want string }{
		{"RFC 6296 section 3.3, the example", "fd01:203:405::/48", "2001:db8:1::/48", "fd01:203:405:1::1234", "2001:db8:1:d550::1234"},
		{"the way back", "2001:db8:1::/48", "fd01:203:405::/48", "2001:db8:1:d550::1234", "fd01:203:405:1::1234"},
		{"/56: in the interface identifier", "fd01:203:405::/56", "2001:db8:1:200::/56", "fd01:203:405:1::1234", "2001:db8:1:201:d34f::1234"},
		{"/64, its first word all ones", "fd01:203:405:1::/64", "2001:db8:1:2::/64", "fd01:203:405:1:ffff::1", "2001:db8:1:2:ffff:d54e:0:1"},
		{"a sum of all ones is zero", "fd00::/48", "fd01::/48", "fd00:0:0:1::1", "fd01::1"},
		{"the same prefix", "2001:db8:1::/56", "2001:db8:1::/56", "2001:db8:1::ffff:1", "2001:db8:1::ffff:1"},
		{"a bit inside of a word", "fd00::/7", "2000::/7", "fd00:1::5", "2100:1:0:dc00::5"},
		{"subnet of all ones", "fd00::/48", "2001:db8:1::/48", "fd00:0:0:ffff::1", ""},
		{"identifier of all ones", "fd00::/64", "2001:db8:1::/64", "fd00::ffff:ffff:ffff:ffff", ""},
		{"identifier of zeros", "fd00::/64", "2001:db8:1::/64", "fd00::", ""},
		{"not inside", "fd00::/64", "2001:db8:1::/64", "fd00:1::1", ""},
		{"other lengths", "fd00::/64", "2001:db8:1::/56", "fd00::1", ""},
		{"too long", "fd00::/96", "2001:db8:1::/96", "fd00::1", ""},
		{"IPv4", "10.0.0.0/8", "11.0.0.0/8", "10.0.0.1", ""},
	} {
		got, ok := Translate(netip.MustParsePrefix(tt.inside).Masked(), netip.MustParsePrefix(tt.outside), netip.MustParseAddr(tt.host))
		if ok != (tt.want != "") || ok && got.String() != tt.want {
			t.Errorf("%s: %s, %v; want %q", tt.name, got, ok, tt.want)
		}
	}
}

// Whatever the prefixes: the translation lies in the new one, has the same
// checksum, and leads back.
func TestTranslateNeutral(t *testing.T) {
	random := rand.New(rand.NewChaCha8([32]byte{}))
	word := func() [16]byte {
		var b [16]byte
		for i := range b {
			b[i] = []byte{byte(random.Uint32()), 0xff, 0}[random.IntN(3)]
		}
		b[0] |= 0x20
		return b
	}
	done := 0
	for range 200_000 {
		bits := 1 + random.IntN(64)
		a := netip.AddrFrom16(word())
		inside := netip.PrefixFrom(a, bits).Masked()
		outside := netip.PrefixFrom(netip.AddrFrom16(word()), bits).Masked()
		b, ok := Translate(inside, outside, a)
		if !ok {
			continue
		}
		done++
		back, ok := Translate(outside, inside, b)
		if !outside.Contains(b) || checksum(a) != checksum(b) || !ok || checksum(back) != checksum(a) || !inside.Contains(back) {
			t.Fatalf("%s in %s to %s in %s, and back to %s, %v", a, inside, b, outside, back, ok)
		}
		if back != a && bits > 3 && a.As16() == b.As16() {
			t.Fatalf("%s leads back to %s", a, back)
		}
	}
	if done < 100_000 {
		t.Errorf("only %d translated", done)
	}
}

// checksum is the one's complement sum of the words, with one zero.
func checksum(a netip.Addr) uint32 {
	var sum uint32
	for _, w := range words(a) {
		sum += uint32(w)
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return sum % 0xffff
}

func FuzzChooseStaysInside(f *testing.F) {
	f.Add([]byte{0xfd, 1, 2, 3}, []byte{0x20, 1, 0x0d, 0xb8}, uint8(48), true)
	f.Fuzz(func(t *testing.T, host, cpe []byte, bits uint8, prefix bool) {
		var h, p [16]byte
		copy(h[:], host)
		copy(p[:], cpe)
		own := netip.PrefixFrom(netip.MustParseAddr("2001:db8:100::"), int(40+bits%25)).Masked()
		c := &Client{Name: "a", Mode: Preserved, Prefixes: []netip.Prefix{own}}
		if prefix {
			c.Mode = Prefix
		}
		owners, _ := NewOwners([]Owned{{own, "a"}, {netip.MustParsePrefix("2001:db8:200::/40"), "b"}})
		rules := Rules{Default: Shared, Owners: owners}
		choice, err := rules.Choose(c, Request{CPE: netip.AddrFrom16(p), Host: netip.AddrFrom16(h), Dst: netip.MustParseAddr("2001:db8:f::10")})
		if err == nil && choice.Addr.IsValid() && !own.Contains(choice.Addr) {
			t.Fatalf("%+v", choice)
		}
	})
}
