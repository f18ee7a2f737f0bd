package cli

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tandem/concentrator/clients"
	"tandem/concentrator/limits"
	"tandem/shared/control"
)

var t0 = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// desk is a store and the commands that work with it.
type desk struct {
	t     *testing.T
	store *clients.Folder
	deps  Deps
	shut  error // what opening the desk fails with
	pokes int
	poked error
	all   strings.Builder // everything ever printed that must hold no key
}

func newDesk(t *testing.T) *desk {
	d := &desk{t: t, store: clients.NewFolder(filepath.Join(t.TempDir(), "clients"))}
	d.store.Now = func() time.Time { return t0 }
	d.deps = Deps{
		Store: d.store,
		Line: func(name string, k clients.Key) (string, error) {
			secret := k.Secret.Reveal(nil)
			return fmt.Sprintf("tandem://%s/%s/%x", name, k.ID, secret), nil
		},
		Poke: func() error { d.pokes++; return d.poked },
	}
	return d
}

// run runs a command line, split at spaces.
func (d *desk) run(line string) (code int, stdout, stderr string) {
	var out, errs strings.Builder
	code = Command(strings.Fields(line), &out, &errs, func() (Deps, error) { return d.deps, d.shut })
	if !strings.HasPrefix(line, "add ") && !strings.HasPrefix(line, "rotate ") && !strings.Contains(line, "--line") {
		d.all.WriteString(out.String())
	}
	d.all.WriteString(errs.String())
	return code, out.String(), errs.String()
}

func (d *desk) ok(line string) string {
	d.t.Helper()
	code, out, errs := d.run(line)
	if code != 0 {
		d.t.Fatalf("%s: exit %d: %s", line, code, errs)
	}
	return out
}

func TestCommands(t *testing.T) {
	d := newDesk(t)
	if code, out, errs := d.run("list"); code != 0 || out != "" || !strings.Contains(errs, "no clients yet") {
		t.Errorf("empty list: %d %q %q", code, out, errs)
	}
	line := d.ok("add home --up 5.5 --connections 500 --monthly 500G --allow 10.1.0.0/16,192.0.2.1 --allow-ports 25 --note mine")
	c, err := d.store.Show("home")
	if err != nil {
		t.Fatal(err)
	}
	want, _ := d.deps.Line("home", c.Keys[0])
	if line != want+"\n" {
		t.Errorf("add prints %q, want %q", line, want)
	}
	if got := d.ok("show --line home"); got != line {
		t.Errorf("show --line prints %q, want %q", got, line)
	}
	d.ok("add cabin")
	d.ok("disable cabin")
	d.deps.Volume = func(name string) (limits.Volume, bool) {
		return limits.Volume{Start: t0, Up: 1_500_000, Down: 12e9}, name == "home"
	}
	if diff := cmp.Diff(strings.Join([]string{
		"NAME   STATE     ADDED                 LIMITS                                          THIS MONTH  NOTE",
		"cabin  disabled  2026-11-24 12:00 UTC  -                                               -           ",
		"home   new       2026-11-24 12:00 UTC  500 connections, 5.5 Mbit/s up, 500 GB a month  12 GB       mine",
		"",
	}, "\n"), d.ok("list")); diff != "" {
		t.Errorf("list (-want +got)\n%s", diff)
	}
	second := d.ok("rotate home")
	if second == line || d.ok("show home --line") != second {
		t.Error("rotate shows no new line")
	}
	if diff := cmp.Diff(fmt.Sprintf(`name         home
state        rotating
note         mine
added        2026-11-24 12:00 UTC
key          %s, made 2026-11-24 12:00 UTC, never used
next key     %s, made 2026-11-24 12:00 UTC, never used
limits       500 connections, 5.5 Mbit/s up, 500 GB a month
this month   1.5 MB up, 12 GB down, since 2026-11-24 12:00 UTC
allow        10.1.0.0/16, 192.0.2.1/32
allow ports  25
`, c.Keys[0].ID, strings.Split(second, "/")[3]), d.ok("show home")); diff != "" {
		t.Errorf("show (-want +got)\n%s", diff)
	}
	d.ok("rotate home --now")
	if c, _ := d.store.Show("home"); len(c.Keys) != 1 {
		t.Errorf("rotate --now leaves %d keys", len(c.Keys))
	}
	d.ok("set home --up 0 --monthly 0 --connections 0 --allow= --allow-ports= --note= --reset-day 5 --down 100")
	c, _ = d.store.Show("home")
	if diff := cmp.Diff(limits.Limits{Down: 100_000_000, ResetDay: 5}, c.Limits); diff != "" || c.Note != "" || len(c.Allow)+len(c.AllowPorts) > 0 {
		t.Errorf("set: %+v %s", c, diff)
	}
	d.ok("enable cabin")
	if got := d.ok("remove cabin"); got != "client \"cabin\" removed\n" {
		t.Errorf("remove prints %q", got)
	}
	if all, _, _ := d.store.List(); len(all) != 1 {
		t.Errorf("%d clients left", len(all))
	}
	if d.pokes != 8 {
		t.Errorf("daemon told %d times of 8 changes", d.pokes)
	}
	d.noKeys()
}

// noKeys fails if any key got where it must not.
func (d *desk) noKeys() {
	d.t.Helper()
	all, _, _ := d.store.List()
	for _, c := range all {
		for _, k := range c.Keys {
			secret := k.Secret.Reveal(nil)
			if strings.Contains(d.all.String(), hex.EncodeToString(secret[:4])) {
				d.t.Error("a key was printed")
			}
		}
	}
}

func TestJSON(t *testing.T) {
	d := newDesk(t)
	var made struct{ Name, Key, Line string }
	if err := json.Unmarshal([]byte(d.ok("add home --json --deny 203.0.113.0/24")), &made); err != nil || made.Name != "home" || !strings.HasPrefix(made.Line, "tandem://home/"+made.Key) {
		t.Errorf("%+v, %v", made, err)
	}
	d.deps.Volume = func(string) (limits.Volume, bool) {
		return limits.Volume{Start: t0, End: t0.AddDate(0, 1, 0), Up: 7}, true
	}
	want := fmt.Sprintf(`{
  "name": "home",
  "enabled": true,
  "created": "2026-11-24T12:00:00Z",
  "keys": [
    {
      "id": "%s",
      "created": "2026-11-24T12:00:00Z"
    }
  ],
  "limits": {},
  "deny": [
    "203.0.113.0/24"
  ],
  "month": {
    "start": "2026-11-24T12:00:00Z",
    "end": "2026-12-24T12:00:00Z",
    "up_bytes": 7,
    "down_bytes": 0
  }
}
`, made.Key)
	if diff := cmp.Diff(want, d.ok("show --json home")); diff != "" {
		t.Errorf("show (-want +got)\n%s", diff)
	}
	if err := os.WriteFile(filepath.Join(d.store.Path, "bad.toml"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := d.run("list --json")
	var listed struct {
		Clients  []struct{ Name string }
		Problems []clients.Problem
	}
	if err := json.Unmarshal([]byte(out), &listed); err != nil || code != 1 || len(listed.Clients) != 1 || len(listed.Problems) != 1 || !strings.Contains(errs, "bad.toml") {
		t.Errorf("%d %s %s %v", code, out, errs, err)
	}
	if got := d.ok("remove home --json"); !strings.Contains(got, `"removed": "home"`) {
		t.Error(got)
	}
	d.noKeys()
}

// Whoever reads the help has often no configuration yet.
func TestHelpNeedsNoConfiguration(t *testing.T) {
	d := newDesk(t)
	d.shut = errors.New("no such file")
	for _, line := range []string{"", "help", "add --help"} {
		if code, out, errs := d.run(line); code != 0 || !strings.Contains(out, "add NAME") || errs != "" {
			t.Errorf("%q: exit %d, %q, %q", line, code, out, errs)
		}
	}
	if code, _, errs := d.run("list"); code != 1 || !strings.Contains(errs, "client list: no such file") {
		t.Errorf("list: exit %d, %q", code, errs)
	}
}

func TestErrors(t *testing.T) {
	d := newDesk(t)
	d.ok("add home")
	for _, test := range []struct {
		line string
		code int
		want string
	}{
		{"", 0, ""}, {"help", 0, ""}, {"add --help", 0, ""},
		{"frobnicate home", 2, `unknown command "frobnicate"`},
		{"add", 2, "needs the name of a client"},
		{"add a b", 2, `unexpected argument "b"`},
		{"list home", 2, `unexpected argument "home"`},
		{"add ../x", 2, `client name "../x"`},
		{"add Home", 2, "a to z"},
		{"show home --up 5", 2, "not defined"},
		{"set home", 2, "nothing to set"},
		{"set home --up fast", 2, "not a rate"},
		{"set home --up nan", 2, "not a rate"},
		{"set home --monthly 5X", 2, "not a number of bytes"},
		{"set home --connections -1", 2, "not a number"},
		{"set home --allow 10.0.0.0/33", 2, "not an address or prefix"},
		{"set home --allow-ports 0", 2, "not a port"},
		{"set home --allow 10.0.0.1/8", 1, "10.0.0.0/8 is meant"},
		{"set home --reset-day 40", 1, "reset day: 40"},
		{"set home --up 0.001", 1, "rate up"},
		{"add home", 1, `client exists already: "home"`},
		{"show nobody", 1, `no such client: "nobody"`},
		{"remove nobody", 1, "no such client"},
		{"rotate nobody", 1, "no such client"},
		{"disable ../nobody", 1, "client name"},
	} {
		code, _, errs := d.run(test.line)
		if code != test.code || !strings.Contains(errs, test.want) || strings.Count(errs, "\n") > 1 {
			t.Errorf("%q: exit %d, %q; want %d, %q", test.line, code, errs, test.code, test.want)
		}
	}
	if d.pokes != 1 {
		t.Errorf("daemon told %d times of one change", d.pokes)
	}
	d.noKeys()
}

func TestDaemonDoesNotAnswer(t *testing.T) {
	d := newDesk(t)
	d.poked = fmt.Errorf("%w (no answer)", control.ErrNotRunning)
	code, out, errs := d.run("add home")
	if code != 0 || !strings.HasPrefix(out, "tandem://") || !strings.Contains(errs, "takes the change when it starts") {
		t.Errorf("not running: %d %q %q", code, out, errs)
	}
	d.poked = errors.New("timeout")
	code, out, errs = d.run("rotate home")
	if code != 1 || !strings.HasPrefix(out, "tandem://") || !strings.Contains(errs, "stored, but the daemon did not take it: timeout") {
		t.Errorf("hangs: %d %q %q", code, out, errs)
	}
	d.deps.Line = func(string, clients.Key) (string, error) { return "", errors.New("no public address") }
	d.poked = nil
	if code, _, errs := d.run("add cabin"); code != 1 || !strings.Contains(errs, `client "cabin" is stored, but has no pairing line: no public address`) {
		t.Errorf("no line: %d %q", code, errs)
	}
	d.noKeys()
}

func TestParseBytes(t *testing.T) {
	for in, want := range map[string]int64{"0": 0, "500": 500, "1k": 1000, "1K": 1000, "1.5T": 1.5e12, "500G": 500e9, "500GB": 500e9, "2Gi": 2 << 30, "2GiB": 2 << 30, "1P": 1e15} {
		if got, err := parseBytes(in); err != nil || got != want {
			t.Errorf("%s: %d, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "G", "-1", "5i", "inf", "nan", "1e30", "5GG", "5 G"} {
		if n, err := parseBytes(in); err == nil {
			t.Errorf("%s: %d", in, n)
		}
	}
}
