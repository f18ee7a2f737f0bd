package clients

import (
	"bytes"
	"encoding/hex"
	"flag"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tandem/concentrator/limits"
	"tandem/concentrator/source"
	"tandem/shared/credential"
)

var update = flag.Bool("update", false, "rewrite golden files")

// whole has everything a client can have.
func whole() *Client {
	secret, _ := credential.KeyFrom(append([]byte{0x5e, 0xc4, 0xe7}, make([]byte, 29)...))
	next, _ := credential.KeyFrom(append(make([]byte, 31), 0xff))
	return &Client{
		Name: "home", Enabled: true, Note: "the \"first\" one, ß", Created: t0,
		Keys: []Key{
			{ID: KeyID{1, 2, 3}, Secret: secret, Created: t0, FirstUsed: t0.Add(time.Hour)},
			{ID: KeyID{7: 9}, Secret: next, Created: t0.Add(2 * time.Hour)},
		},
		Limits:     limits.Limits{Connections: 500, NewPerSecond: 20, Up: 5_500_000, Down: 50_000_000, MonthlyBytes: 500e9, ResetDay: 15},
		Allow:      []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("2001:db8::1/128")},
		Deny:       []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")},
		AllowPorts: []uint16{25},
		Source:     source.Preserved,
		Prefixes:   []netip.Prefix{netip.MustParsePrefix("192.0.2.0/28"), netip.MustParsePrefix("2001:db8:100::/56")},
	}
}

func TestGoldenFile(t *testing.T) {
	const golden = "testdata/home.toml"
	got, err := format(whole())
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	back, err := parse(got, "home")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(whole(), back, comparePrefixes); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

var comparePrefixes = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

const minimal = `name = "home"
[[key]]
id = "0102030405060708"
secret = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
`

func TestParse(t *testing.T) {
	c, err := parse([]byte(minimal+"[limits]\nup_mbit = 5\ndown_mbit = 0.5\n"), "home")
	if err != nil {
		t.Fatal(err)
	}
	if !c.Enabled || c.Limits.Up != 5e6 || c.Limits.Down != 5e5 || c.Keys[0].Secret.Reveal(nil)[31] != 0x1f {
		t.Errorf("%+v", c)
	}
}

func TestParseRefuses(t *testing.T) {
	const secret = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	key := func(s string) string { return "name = \"home\"\n[[key]]\n" + s }
	for _, test := range []struct{ text, want string }{
		{"", `name: ""`},
		{"name = \"home\"\n", "a client needs one"},
		{"name = \"host\"\n" + key("")[14:], "both must be the same"},
		{"name = home", "line 1"},
		{"nickname = \"x\"\n" + minimal, `unknown key "nickname"`},
		{secret + " = 1\n" + minimal, "unknown key"},
		{"note = [1]\n" + minimal, "line 1"},
		{"note = \"a\\u0000b\"\n" + minimal, "control"},
		{"note = \"a\\u202eb\"\n" + minimal, "control"},
		{"note = \"" + strings.Repeat("x", 501) + "\"\n" + minimal, "longer"},
		{key("id = \"01\"\nsecret = \"" + secret + "\"\n"), "key[0].id: must have 16"},
		{key("id = \"0102030405060708\"\nsecret = \"" + secret[1:] + "\"\n"), "key[0].secret: must have 64"},
		{key("id = \"0102030405060708\"\nsecret = \"" + secret[1:] + "g\"\n"), "key[0].secret: must have 64"},
		{key("id = \"0102030405060708\"\nsecret = \"" + secret + "\n"), "line 4"},
		{key("id = \"0102030405060708\"\nsecret = " + secret + "\n"), "line 4"},
		{key("id = \"0102030405060708\"\n\"" + secret + "\"\n"), "line 4"},
		{key("id = \"0102030405060708\"\nsecret = \"" + strings.Repeat("0", 64) + "\"\n"), "a secret of zeros"},
		{minimal + minimal[14:], "given twice"},
		{minimal + strings.Repeat(minimal[14:], 2), "at most 2"},
		{minimal + "[limits]\nup_mbit = nan\n", "rate up"},
		{minimal + "[limits]\nup_mbit = inf\n", "rate up"},
		{minimal + "[limits]\nup_mbit = -1\n", "rate up"},
		{minimal + "[limits]\nup_mbit = 1e-9\n", "rate up"},
		{minimal + "[limits]\nconnections = -1\n", "connections: -1 is out of range"},
		{minimal + "[limits]\nreset_day = 32\n", "reset day: 32"},
		{"allow = [\"10.0.0.1/8\"]\n" + minimal, "10.0.0.0/8 is meant"},
		{"allow = [\"host.example\"]\n" + minimal, "not an address or prefix"},
		{"deny = [\"::ffff:10.0.0.0/104\"]\n" + minimal, "write IPv4 prefixes"},
		{"allow_ports = [0]\n" + minimal, "0 is not a port"},
		{"allow_ports = [65536]\n" + minimal, "65536 is not a port"},
	} {
		_, err := parse([]byte(test.text), "home")
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q:\n%v, want %q", test.text, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), secret[1:20]) {
			t.Errorf("%q: secret in %v", test.text, err)
		}
	}
}

func FuzzFile(f *testing.F) {
	text, err := format(whole())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(minimal))
	f.Add([]byte(minimal + "[limits]\nup_mbit = 1e3\nmonthly_bytes = 1\n"))
	f.Add([]byte("allow = [\"192.0.2.1\"]\nnote = '''x'''\n" + minimal))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parse(text, "home")
		if err != nil {
			for run := range strings.FieldsFuncSeq(err.Error(), func(r rune) bool { return !strings.ContainsRune("0123456789abcdefABCDEF", r) }) {
				if len(run) >= 24 && bytes.Contains(text, []byte(run)) {
					t.Errorf("error quotes the file: %v", err)
				}
			}
			return
		}
		again, err := format(c)
		if err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		back, err := parse(again, "home")
		if err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		if diff := cmp.Diff(c, back, comparePrefixes); diff != "" {
			t.Errorf("(-first +second)\n%s", diff)
		}
		if !bytes.Contains(again, []byte(hex.EncodeToString(c.Keys[0].Secret.Reveal(nil)))) {
			t.Error("the secret is not in the file")
		}
	})
}
