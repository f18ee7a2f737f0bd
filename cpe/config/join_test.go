package config

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/shared/credential"
)

func pairingOf(t testing.TB, name string, port uint16, key string, addrs ...string) Pairing {
	t.Helper()
	id, err := credential.ParseKeyID(key)
	if err != nil {
		t.Fatal(err)
	}
	p := Pairing{Name: name, Port: port, Key: id}
	for _, a := range addrs {
		p.Addresses = append(p.Addresses, netip.MustParseAddr(a))
	}
	return p
}

// TestJoin compares the file that comes of a pairing with a golden one, to the
// byte.
func TestJoin(t *testing.T) {
	const key = "00a1b2c3d4e5f607"
	both := pairingOf(t, "", 5124, key, "203.0.113.1", "2001:db8:f::1")
	four := pairingOf(t, "", 5124, key, "203.0.113.1")
	named := func(name string) Pairing { return pairingOf(t, name, 5124, key, "203.0.113.1") }
	for _, tt := range []struct {
		file string
		p    Pairing
		want string // section, added, changed, replaced, orphan, enabled now
	}{
		{"empty", both, "concentrator added changed on"},
		{"comment", pairingOf(t, "vm", 443, key, "2001:db8:f::1"), "vm added changed on"},
		{"sample", both, "concentrator added changed on"},
		{"rotate", both, "home changed 1111111111111111 orphan"},
		{"moved", four, "concentrator added changed"},
		{"moved-named", named("home"), "home changed"},
		{"moved-port", pairingOf(t, "", 5125, key, "203.0.113.1", "203.0.113.2"), "other changed 2222222222222222 orphan"},
		{"addresses", four, "home changed 3333333333333333 orphan on"},
		{"addresses-four", pairingOf(t, "", 5124, key, "203.0.113.1", "192.0.2.7", "192.0.2.8", "192.0.2.9", "192.0.2.10"),
			"home changed 3333333333333333 orphan on"},
		{"shared", four, "a changed aaaaaaaaaaaaaaaa"},
		{"crlf", both, "home changed"},
		{"dialect", both, "concentrator changed 4444444444444444 orphan on"},
		{"dialect-named", named("new"), "new added changed on"},
		{"quoted", four, "concentrator added changed"},
		{"hostile", four, "concentrator added changed"},
	} {
		t.Run(tt.file, func(t *testing.T) {
			base, _, _ := strings.Cut(tt.file, "-")
			text, err := os.ReadFile("testdata/join/" + base + ".conf")
			if err != nil {
				t.Fatal(err)
			}
			j, err := Join("tandem", string(text), tt.p)
			if err != nil {
				t.Fatal(err)
			}
			if got := inWords(j); got != tt.want {
				t.Errorf("did %q, want %q", got, tt.want)
			}
			golden(t, "testdata/join/"+tt.file+".want", j.Text)

			again, err := Join("tandem", j.Text, tt.p)
			if err != nil {
				t.Fatal(err)
			}
			if again.Changed || again.Text != j.Text || again.Section != j.Section {
				t.Errorf("the same line again: %q (-first +again):\n%s", inWords(again), cmp.Diff(j.Text, again.Text))
			}
		})
	}
}

func inWords(j *Joined) string {
	w := []string{j.Section}
	for word, on := range map[string]bool{"added": j.Added, "changed": j.Changed} {
		if on {
			w = append(w, word)
		}
	}
	slices.Sort(w[1:])
	if j.Replaced != (credential.KeyID{}) {
		w = append(w, j.Replaced.String())
	}
	if j.Orphan {
		w = append(w, "orphan")
	}
	if j.EnabledNow {
		w = append(w, "on")
	}
	return strings.Join(w, " ")
}

// What the user has switched off stays off; what nobody has switched, goes on.
func TestJoinEnabled(t *testing.T) {
	const used = "\nconfig concentrator 'x'\n\tlist address '192.0.2.1'\n"
	for _, tt := range []struct {
		name, text    string
		now, afterall bool
	}{
		{"no file", "", true, true},
		{"as shipped", "config tandem 'main'\n\toption enabled '0'\n", true, true},
		{"not said", "config tandem 'main'\n" + used, true, true},
		{"on", "config tandem 'main'\n\toption enabled '1'\n" + used, false, true},
		{"on, nothing to use", "config tandem 'main'\n\toption enabled '1'\n", false, true},
		{"switched off", "config tandem 'main'\n\toption enabled '0'\n" + used, false, false},
		{"off, and so is the concentrator", "config tandem 'main'\n\toption enabled '0'\n" + used + "\toption enabled '0'\n", true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j, err := Join("tandem", tt.text, pairingOf(t, "", 5124, "00a1b2c3d4e5f607", "203.0.113.1"))
			if err != nil {
				t.Fatal(err)
			}
			if j.EnabledNow != tt.now || j.Config.Enabled != tt.afterall {
				t.Errorf("switched on %v, is on %v; want %v, %v", j.EnabledNow, j.Config.Enabled, tt.now, tt.afterall)
			}
		})
	}
}

func TestJoinRefuses(t *testing.T) {
	for _, tt := range []struct{ name, text, section, want string }{
		{"syntax", "config tandem main\n option enabled '1\n", "", "tandem:2: quote"},
		{"unknown option", "config tandem main\n option colour blue\n", "", "tandem:2: unknown option"},
		{"bad value", "\nconfig wan w\n option device 'a b'\n", "", "tandem:3: option \"device\""},
		{"option twice", "config tandem main\n option port 1\n option port 2\n", "", "tandem:3: option \"port\": given twice"},
		{"name of a line", "config wan dsl\n option device x\n", "dsl", `taken by a section wan`},
		{"name of the main section", "config tandem main\n", "main", `taken by a section tandem`},
		{"no name", "", "a b", "not a section name"},
		{"name with a quote", "", "a'\nconfig tandem 'x", "not a section name"},
		{"anonymous", "config concentrator\n list address '203.0.113.1'\n", "", "needs a name"},
		{"backslash at the end", "config tandem main\n option control /tmp/x\\", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j, err := Join("tandem", tt.text, pairingOf(t, tt.section, 5124, "00a1b2c3d4e5f607", "203.0.113.1"))
			if tt.want == "" {
				if err != nil || j.Config.Control != "/tmp/x" {
					t.Errorf("got %+v, %v", j, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// FuzzJoin: whatever the file holds, it is refused, or changed in nothing but
// what was asked for.
func FuzzJoin(f *testing.F) {
	for _, pattern := range []string{"testdata/join/*.conf", "testdata/good/*.conf", "testdata/bad/*.conf", samplePath} {
		all, _ := filepath.Glob(pattern)
		for _, file := range all {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(text), "", uint16(5124))
			f.Add(string(text), "home", uint16(443))
		}
	}
	f.Fuzz(func(t *testing.T, text, name string, port uint16) {
		if port == 0 {
			port = 1
		}
		p := pairingOf(t, name, port, "00a1b2c3d4e5f607", "203.0.113.1", "2001:db8:f::1")
		j, err := Join("tandem", text, p)
		if err != nil {
			return
		}
		before, after := readable(t, text), readable(t, j.Text)
		own := fmt.Sprintf("concentrator %q ", j.Section)
		for key, value := range before {
			switch {
			case strings.HasPrefix(key, own) && strings.Contains(" address port key enabled ", " "+strings.TrimPrefix(key, own)+" "):
			case key == `tandem "main" enabled` && j.EnabledNow:
			case after[key] != value:
				t.Errorf("%s was %q, is %q", key, value, after[key])
			}
		}
		for key := range after {
			_, was := before[key]
			if !was && !strings.HasPrefix(key, own) && key != `tandem "main" enabled` && key != `tandem "main" ` {
				t.Errorf("%s is new", key)
			}
		}
		again, err := Join("tandem", j.Text, Pairing{Name: j.Section, Addresses: p.Addresses, Port: p.Port, Key: p.Key})
		if err != nil || again.Changed {
			t.Errorf("the same line again: %v, changed %v", err, again != nil && again.Changed)
		}
	})
}

// readable reads a file as the daemon does: all options by section.
func readable(t *testing.T, text string) map[string]string {
	statements, err := lex("tandem", text)
	if err != nil {
		t.Fatal(err)
	}
	fs := &faults{file: "tandem"}
	all := map[string]string{}
	for i, s := range structure(fs, statements) {
		name := fmt.Sprintf("%s %q ", s.typ, s.name)
		if s.name == "" {
			name = fmt.Sprintf("%s %d ", s.typ, i)
		}
		all[name] = ""
		for _, o := range s.options {
			for _, v := range o.values {
				all[name+o.name] += fmt.Sprintf("%v %q,", o.list, v.text)
			}
		}
	}
	if err := fs.err(); err != nil {
		t.Fatal(err)
	}
	return all
}
