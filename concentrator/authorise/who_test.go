package authorise

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"sync"
	"testing"
	"time"

	"tandem/shared/convert"
)

type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

var (
	secret     = bytes.Repeat([]byte{7}, 32)
	homeCookie = unhex("00112233445566778899aabbccddeeff")
	bothCookie = unhex("ffeeddccbbaa99887766554433221100")
	oddCookie  = unhex("0102030405060708090a0b0c0d0e0f101112") // 18 bytes
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func rules(computed bool, c *clock) Rules {
	pre := netip.MustParsePrefix
	return Rules{
		Clients: []Client{
			{Name: "office", Sources: []netip.Prefix{pre("198.51.100.0/24"), pre("2001:db8:a::/48")}},
			{Name: "both", Sources: []netip.Prefix{pre("198.51.100.128/25")}, Cookies: [][]byte{bothCookie}},
			{Name: "desk", Sources: []netip.Prefix{pre("198.51.100.200/32")}},
			{Name: "travel", Cookies: [][]byte{homeCookie, oddCookie}},
			{Name: "careless", Cookies: [][]byte{{}}},
		},
		Computed: computed, Secret: secret, Lifetime: time.Hour, Now: c.now,
	}
}

func TestWho(t *testing.T) {
	c := &clock{time.Unix(1_800_000_000, 0)}
	none, computed := NewGate(rules(false, c)), NewGate(rules(true, c))
	empty := NewGate(Rules{})
	padded := append(bytes.Clone(oddCookie), 0, 0)
	const yes = convert.Code(255)
	tests := []struct {
		name   string
		gate   *Gate
		src    string
		cookie []byte
		client string
		code   convert.Code
	}{
		{"source", none, "198.51.100.1", nil, "office", yes},
		{"source, IPv4-mapped", none, "::ffff:198.51.100.1", nil, "office", yes},
		{"source, IPv6", none, "2001:db8:a:1::1", nil, "office", yes},
		{"longest prefix", none, "198.51.100.200", nil, "desk", yes},
		{"source, needless cookie", none, "198.51.100.1", []byte("whatever"), "office", yes},
		{"source, empty cookie", none, "198.51.100.1", []byte{}, "office", yes},
		{"stranger", none, "192.0.2.1", nil, "", convert.NotAuthorized},
		{"stranger, IPv6", none, "2001:db8:b::1", nil, "", convert.NotAuthorized},
		{"stranger, wrong cookie", none, "192.0.2.1", []byte("0123456789abcdef"), "", convert.NotAuthorized},
		{"stranger, empty cookie", none, "192.0.2.1", []byte{}, "", convert.NotAuthorized},
		{"cookie from anywhere", none, "192.0.2.1", homeCookie, "travel", yes},
		{"cookie from another's prefix", none, "198.51.100.1", homeCookie, "travel", yes},
		{"padded cookie", none, "192.0.2.1", padded, "travel", yes},
		{"cookie cut short", none, "192.0.2.1", homeCookie[:12], "", convert.NotAuthorized},
		{"cookie and more", none, "192.0.2.1", append(bytes.Clone(homeCookie), 0, 0, 0, 0), "", convert.NotAuthorized},
		{"both: both", none, "198.51.100.129", bothCookie, "both", yes},
		{"both: source only", none, "198.51.100.129", nil, "", convert.NotAuthorized},
		{"both: cookie only", none, "192.0.2.1", bothCookie, "", convert.NotAuthorized},
		{"both: wrong cookie", none, "198.51.100.129", []byte("0123456789abcdef"), "", convert.NotAuthorized},

		{"computed: missing", computed, "198.51.100.1", nil, "", convert.MissingCookie},
		{"computed: wrong", computed, "198.51.100.1", make([]byte, cookieLen), "", convert.NotAuthorized},
		{"computed: wrong length", computed, "198.51.100.1", make([]byte, 16), "", convert.NotAuthorized},
		{"computed: stranger gets no cookie", computed, "192.0.2.1", nil, "", convert.NotAuthorized},
		{"computed: own cookie suffices", computed, "192.0.2.1", homeCookie, "travel", yes},
		{"computed: with own cookie never Error 3", computed, "198.51.100.129", nil, "", convert.NotAuthorized},

		{"nobody configured", empty, "198.51.100.1", nil, "", convert.NotAuthorized},
		{"nobody configured, cookie", empty, "198.51.100.1", homeCookie, "", convert.NotAuthorized},
		{"nobody configured, empty cookie", empty, "::1", []byte{}, "", convert.NotAuthorized},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, r := tt.gate.Who(addr(tt.src), tt.cookie)
			if tt.code == yes {
				if got == nil || got.Name != tt.client {
					t.Errorf("got %v, %q; want client %q", got, r.Why, tt.client)
				}
				return
			}
			if got != nil || r.Code != tt.code || r.Why == "" {
				t.Errorf("got %v, Error %d, %q; want Error %d", got, r.Code, r.Why, tt.code)
			}
			if (r.Cookie != nil) != (tt.code == convert.MissingCookie) {
				t.Errorf("Error %d with cookie %x", r.Code, r.Cookie)
			}
		})
	}
}

func TestComputedCookie(t *testing.T) {
	c := &clock{time.Unix(1_800_000_000, 0).Truncate(time.Hour)}
	g := NewGate(rules(true, c))
	src := addr("198.51.100.1")
	_, r := g.Who(src, nil)
	cookie := r.Cookie
	if len(cookie)%4 != 0 || len(cookie) == 0 {
		t.Fatalf("cookie of %d bytes", len(cookie))
	}
	accepted := func(g *Gate, src string, cookie []byte) (bool, convert.Code) {
		who, r := g.Who(addr(src), cookie)
		return who != nil, r.Code
	}

	for _, at := range []time.Duration{0, time.Hour - time.Second, 2*time.Hour - time.Second} {
		c.at = time.Unix(1_800_000_000, 0).Truncate(time.Hour).Add(at)
		if ok, code := accepted(g, "198.51.100.1", cookie); !ok {
			t.Errorf("after %s: Error %d", at, code)
		}
	}
	for _, at := range []time.Duration{2 * time.Hour, 1000 * time.Hour, -time.Second} {
		c.at = time.Unix(1_800_000_000, 0).Truncate(time.Hour).Add(at)
		if ok, code := accepted(g, "198.51.100.1", cookie); ok || code != convert.MissingCookie {
			t.Errorf("after %s: accepted %v, Error %d; want Error 3", at, ok, code)
		}
		_, r := g.Who(src, cookie)
		if ok, code := accepted(g, "198.51.100.1", r.Cookie); !ok {
			t.Errorf("after %s: fresh cookie: Error %d", at, code)
		}
	}

	c.at = time.Unix(1_800_000_000, 0).Truncate(time.Hour)
	if ok, code := accepted(g, "198.51.100.2", cookie); ok || code != convert.NotAuthorized {
		t.Errorf("from another address: accepted %v, Error %d; want Error 32", ok, code)
	}
	if ok, _ := accepted(NewGate(rules(true, c)), "198.51.100.1", cookie); !ok {
		t.Error("refused after a restart with the same secret")
	}
	other := rules(true, c)
	other.Secret = bytes.Repeat([]byte{8}, 32)
	if ok, code := accepted(NewGate(other), "198.51.100.1", cookie); ok || code != convert.NotAuthorized {
		t.Errorf("another secret: accepted %v, Error %d; want Error 32", ok, code)
	}
	for bit := range len(cookie) * 8 {
		flipped := bytes.Clone(cookie)
		flipped[bit/8] ^= 1 << (bit % 8)
		if ok, code := accepted(g, "198.51.100.1", flipped); ok || code != convert.NotAuthorized {
			t.Errorf("bit %d flipped: accepted %v, Error %d; want Error 32", bit, ok, code)
		}
	}
}

func TestAnswers(t *testing.T) {
	c := &clock{}
	r := rules(false, c)
	silent := NewGate(r)
	r.AnswerStrangers = true
	loud := NewGate(r)
	for _, tt := range []struct {
		src          string
		silent, loud bool
	}{
		{"198.51.100.1", true, true}, {"::ffff:198.51.100.1", true, true}, {"2001:db8:a::1", true, true},
		{"192.0.2.1", false, true}, {"2001:db8:b::1", false, true},
	} {
		if got := silent.Answers(addr(tt.src)); got != tt.silent {
			t.Errorf("%s, silent: %v", tt.src, got)
		}
		if got := loud.Answers(addr(tt.src)); got != tt.loud {
			t.Errorf("%s, error: %v", tt.src, got)
		}
	}
}

func TestRefusalBytes(t *testing.T) {
	request := unhex("010622630a0500500000000000000000" + "0000ffff7f000001")
	tests := []struct {
		refusal Refusal
		want    string // vectors 11, 12 and 13 of the RFC reference
	}{
		{Refusal{Code: convert.MalformedMessage}, "01082263" + "1e070100" + hex.EncodeToString(request)},
		{Refusal{Code: convert.MissingCookie, Cookie: homeCookie}, "01062263" + "1e050300" + hex.EncodeToString(homeCookie)},
		{Refusal{Code: convert.NotAuthorized}, "01022263" + "1e012000"},
	}
	for _, tt := range tests {
		if got := hex.EncodeToString(tt.refusal.Append(nil, request)); got != tt.want {
			t.Errorf("Error %d:\n got %s\nwant %s", tt.refusal.Code, got, tt.want)
		}
	}
}

func TestWhoConcurrently(t *testing.T) {
	c := &clock{time.Unix(1_800_000_000, 0)}
	g := NewGate(rules(true, c))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			src := netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})
			_, r := g.Who(src, nil)
			for range 500 {
				if who, _ := g.Who(src, r.Cookie); who == nil || who.Name != "office" {
					t.Errorf("%s: own cookie refused", src)
					return
				}
				if who, _ := g.Who(src, homeCookie); who == nil || who.Name != "travel" {
					t.Errorf("%s: travel's cookie refused", src)
					return
				}
			}
		}()
	}
	wg.Wait()
}

func BenchmarkWho(b *testing.B) {
	c := &clock{time.Unix(1_800_000_000, 0)}
	g := NewGate(rules(true, c))
	_, r := g.Who(addr("198.51.100.1"), nil)
	for _, bb := range []struct {
		name, src string
		cookie    []byte
	}{
		{"source", "198.51.100.200", nil}, {"computed", "198.51.100.1", r.Cookie},
		{"out-of-band", "192.0.2.1", homeCookie}, {"stranger", "192.0.2.1", nil},
	} {
		gate := g
		if bb.name == "source" {
			gate = NewGate(rules(false, c))
		}
		src := addr(bb.src)
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				gate.Who(src, bb.cookie)
			}
		})
	}
}
