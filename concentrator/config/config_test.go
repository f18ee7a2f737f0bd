package config

import (
	"bytes"
	"errors"
	"flag"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tandem/concentrator/source"
	"tandem/shared/reverse"
)

var update = flag.Bool("update", false, "write testdata/bad/*.err anew")

const sample = "../tandem-concentrator.toml"

var comparers = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

func prefixes(s ...string) (out []netip.Prefix) {
	for _, p := range s {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

func addrs(s ...string) (out []netip.Addr) {
	for _, a := range s {
		out = append(out, netip.MustParseAddr(a))
	}
	return out
}

func TestGood(t *testing.T) {
	cookie := []byte{0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}
	tests := []struct {
		file string
		want func(c *Config)
	}{
		{sample, func(*Config) {}},
		{"testdata/good/empty.toml", func(*Config) {}},
		{"testdata/good/open.toml", func(c *Config) {
			c.Clients = []Client{{Name: "all", Sources: prefixes("0.0.0.0/0", "::/0")}}
			c.Authorise.Cookie = CookieComputed
			c.Limits.MaxPending = 10
			c.Warnings = []string{
				`client "all": source 0.0.0.0/0 without a cookie lets anyone on the Internet relay through this host`,
				`client "all": source ::/0 without a cookie lets anyone on the Internet relay through this host`,
				"authorise.cookie_secret_file is not set: cookies handed out before a restart are refused after it",
				"limits.max_pending_per_source is above limits.max_pending and never applies",
			}
		}},
		{"testdata/good/full.toml", func(c *Config) {
			*c = Config{
				Listen:        []netip.AddrPort{netip.MustParseAddrPort("198.51.100.1:5124")},
				FastOpenQueue: 16,
				Control:       "/run/x.sock",
				State:         "/srv/tandem",
				Advertise:     Advertise{Addresses: addrs("203.0.113.1", "2001:db8:f::1"), Port: 443},
				BindingLog:    BindingLog{Destinations: true, Block: 64},
				Forward:       Forward{Ports: []reverse.Ports{{First: 443, Last: 443}, {First: 2000, Last: 2999}}},
				Metrics:       netip.MustParseAddrPort("[::1]:9000"),
				Log:           Log{Level: slog.LevelDebug},
				Limits: Limits{MaxConnections: 1000, MaxPending: 10, MaxPendingPerSource: 5, MaxSetups: 20, MaxNonces: 5000,
					MaxParked: 70, MaxParkedPerClient: 7, ParkTimeout: 5 * time.Minute,
					RequestTimeout: 750 * time.Millisecond, ConnectTimeout: 10 * time.Second, HandoverTimeout: time.Hour},
				Connect: Connect{Sources: addrs("203.0.113.1", "203.0.113.2", "2001:db8:f::1"), Source: source.Preserved, Preserve: prefixes("198.51.100.0/24")},
				Authorise: Authorise{Cookie: CookieComputed, CookieLifetime: 10 * time.Minute,
					CookieSecretFile: "/var/lib/tandem-concentrator/cookie", Strangers: StrangersError},
				Clients: []Client{
					{Name: "home", Sources: prefixes("198.51.100.0/29", "2001:db8:d::/48", "192.0.2.7/32")},
					{Name: "travel_2.x-y", Cookies: [][]byte{cookie}},
				},
				Destinations: Destinations{AllowPrivate: true, Allow: prefixes("10.1.0.0/16"),
					Deny: prefixes("10.1.2.3/32", "fd00::/8")},
				OnPath: OnPath{Enabled: true, Interfaces: []string{"eth0", "vlan.7"}, Sources: prefixes("198.51.100.0/24", "2001:db8:d::/48"), Port: 5300,
					Announce:          []netip.AddrPort{netip.MustParseAddrPort("203.0.113.1:5128"), netip.MustParseAddrPort("[2001:db8:f::1]:5129")},
					LeaveDestinations: prefixes("192.0.2.0/24"), LeavePorts: []uint16{22, 853}, MPTCPServers: MPTCPServersLeave},
			}
		}},
	}
	for _, tt := range tests {
		t.Run(filepath.Base(tt.file), func(t *testing.T) {
			want := defaults()
			tt.want(want)
			got, err := Load(tt.file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, comparers); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestSampleIsComplete holds the sample to "every key is here"; TestGood holds
// its values to the defaults.
func TestSampleIsComplete(t *testing.T) {
	text, err := os.ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	// The clients in the sample are examples, commented out.
	uncommented := withExamples(text)
	at := index(uncommented).at
	var check func(prefix string, typ reflect.Type)
	check = func(prefix string, typ reflect.Type) {
		for i := range typ.NumField() {
			f := typ.Field(i)
			key := prefix + f.Tag.Get("toml")
			if _, ok := at[key]; !ok {
				t.Errorf("key %q is not in the sample", key)
			}
			switch {
			case f.Type.Kind() == reflect.Struct:
				check(key+".", f.Type)
			case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct:
				for j := range f.Type.Elem().NumField() {
					sub := f.Type.Elem().Field(j).Tag.Get("toml")
					if !bytes.Contains(uncommented, []byte("\n"+sub+" = ")) {
						t.Errorf("key %q is not in the sample", key+"."+sub)
					}
				}
			}
		}
	}
	check("", reflect.TypeOf(raw{}))
	if _, err := Parse(bytes.NewReader(uncommented), "sample"); err != nil {
		t.Errorf("sample with its examples: %v", err)
	}
}

// withExamples makes the commented examples of clients real.
func withExamples(text []byte) []byte {
	lines := strings.Split(string(text), "\n")
	in := false
	for i, l := range lines {
		switch {
		case l == "# [[client]]":
			in = true
		case !strings.HasPrefix(l, "# ") && l != "#":
			in = false
		}
		if in {
			lines[i] = strings.TrimPrefix(strings.TrimPrefix(l, "#"), " ")
		}
	}
	return []byte(strings.Join(lines, "\n"))
}

// TestBad compares every error with the file beside it.
func TestBad(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			c, err := Parse(f, filepath.Base(file))
			if err == nil {
				t.Fatalf("accepted as %+v", c)
			}
			var e *Error
			if !errors.As(err, &e) {
				t.Errorf("%T holds no *Error", err)
			}
			golden := strings.TrimSuffix(file, ".toml") + ".err"
			got := err.Error() + "\n"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestFaultsAreBounded(t *testing.T) {
	_, err := Parse(strings.NewReader("listen = ["+strings.Repeat("\"x\",\n", 100_000)+"]"), "big")
	if n := strings.Count(err.Error(), "\n") + 1; n != maxFaults {
		t.Errorf("%d lines of errors, want %d", n, maxFaults)
	}
	if _, err := Parse(strings.NewReader(strings.Repeat("#", maxFile+1)), "huge"); err == nil {
		t.Error("a huge file was read")
	}
}

func TestCookieIsInNoError(t *testing.T) {
	_, err := Parse(strings.NewReader("[[client]]\nname='a'\ncookies=['5ec5ec5ec5ec5ec', '5ec5ec5e']\n"+
		"[[client]]\nname='b'\ncookies=['aa5ec5ec5ec5ec5ec5ec5ec5ec5ec5aa','aa5ec5ec5ec5ec5ec5ec5ec5ec5ec5aa']"), "x")
	if err == nil || strings.Contains(err.Error(), "5ec5") {
		t.Errorf("got %v", err)
	}
}

func TestSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	a := Authorise{CookieSecretFile: path}
	first, err := a.Secret()
	if err != nil || len(first) != SecretLen {
		t.Fatalf("got %d bytes, %v", len(first), err)
	}
	if again, err := a.Secret(); err != nil || !bytes.Equal(first, again) {
		t.Errorf("second start: other secret, or %v", err)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
	if other, err := (Authorise{}).Secret(); err != nil || len(other) != SecretLen || bytes.Equal(first, other) {
		t.Errorf("without a file: %v", err)
	}
	for _, tt := range []struct {
		name, content string
		mode          os.FileMode
	}{
		{"readable by others", strings.Repeat("x", SecretLen), 0o640},
		{"short", "x", 0o600},
		{"empty", "", 0o600},
		{"long", strings.Repeat("x", SecretLen+1), 0o600},
	} {
		path := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(path, []byte(tt.content), tt.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := (Authorise{CookieSecretFile: path}).Secret(); err == nil {
			t.Errorf("%s: accepted", tt.name)
		}
	}
	if _, err := (Authorise{CookieSecretFile: filepath.Join(path, "no")}).Secret(); err == nil {
		t.Error("no folder: accepted")
	}
}

func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/*/*.toml", sample} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse(bytes.NewReader(text), "f")
		if (c == nil) == (err == nil) {
			t.Fatalf("config %v, error %v", c, err)
		}
		if err == nil {
			mustBeValid(t, c)
			return
		}
		if strings.Contains(err.Error(), "rawLimits") || strings.Contains(err.Error(), "config.raw") {
			t.Errorf("names a Go type: %v", err)
		}
	})
}

func mustBeValid(t *testing.T, c *Config) {
	t.Helper()
	l := c.Limits
	if len(c.Listen) == 0 || c.FastOpenQueue < 1 || c.Control == "" || l.MaxConnections < 1 || l.MaxPending < 1 ||
		l.MaxPendingPerSource < 1 || l.RequestTimeout <= 0 || l.ConnectTimeout <= 0 || l.DrainTimeout < 0 || l.HandoverTimeout < 0 ||
		c.Authorise.CookieLifetime <= 0 {
		t.Errorf("out of range: %+v", c)
	}
	for _, cl := range c.Clients {
		if cl.Name == "" || len(cl.Sources)+len(cl.Cookies) == 0 {
			t.Errorf("client %+v", cl)
		}
		for _, s := range cl.Sources {
			if !s.IsValid() || s != s.Masked() || s.Addr().Is4In6() {
				t.Errorf("source %v", s)
			}
		}
		for _, k := range cl.Cookies {
			if len(k) < minCookie {
				t.Errorf("cookie of %d bytes", len(k))
			}
		}
	}
}
