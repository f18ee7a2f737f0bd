package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tandem/cpe/config"
	"tandem/cpe/keys"
	"tandem/shared/control"
	"tandem/shared/credential"
	"tandem/shared/pairing"
)

// router is the folders of one, and all that its commands have printed.
type router struct {
	t       *testing.T
	o       options
	printed bytes.Buffer
	secrets []string
}

func newRouter(t *testing.T) *router {
	dir := t.TempDir()
	return &router{t: t, o: options{configDir: filepath.Join(dir, "config"), keysDir: filepath.Join(dir, "tandem", "keys"),
		controlPath: filepath.Join(dir, "sock")}}
}

// line is a new pairing line, and the id of its key.
func (r *router) line(change func(*pairing.Line)) (string, credential.KeyID) {
	r.t.Helper()
	id, key := credential.NewKey()
	l := pairing.Line{ID: id, Key: key, Client: "house", Port: 5124,
		Addresses: []netip.Addr{netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("2001:db8:f::1")}}
	if change != nil {
		change(&l)
	}
	text, err := l.Encode()
	if err != nil {
		r.t.Fatal(err)
	}
	b := key.Reveal(nil)
	r.secrets = append(r.secrets, hex.EncodeToString(b), base64.StdEncoding.EncodeToString(b), text[20:60])
	return text, id
}

// run is a command as the user gives it.
func (r *router) join(stdin string, o options, operand string) error {
	err := join(o, operand, strings.NewReader(stdin), &r.printed)
	if err != nil {
		r.printed.WriteString(err.Error() + "\n")
	}
	return err
}

func (r *router) file() string {
	r.t.Helper()
	text, err := config.ReadText(r.o.configDir)
	if err != nil {
		r.t.Fatal(err)
	}
	return text
}

func (r *router) keyFiles() (names []string) {
	all, _ := os.ReadDir(r.o.keysDir)
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names
}

// A fresh router is paired by one line; a second one replaces the key, and the
// daemon could run after each.
func TestJoinCommand(t *testing.T) {
	r := newRouter(t)
	first, firstID := r.line(nil)
	if err := r.join(first+"\n", r.o, "-"); err != nil {
		t.Fatal(err)
	}
	cfg, secrets, err := r.o.load()
	if err != nil || !cfg.Enabled || cfg.Concentrators[0].Key != firstID || secrets[firstID].IsZero() {
		t.Fatalf("after the first line: %+v, %v", cfg, err)
	}
	for _, want := range []string{`section concentrator "concentrator" added`, "switched on", "no section wan", "not running", "[2001:db8:f::1]:5124"} {
		if !strings.Contains(r.printed.String(), want) {
			t.Errorf("%q is not in what it said:\n%s", want, &r.printed)
		}
	}

	before := r.file()
	second, secondID := r.line(nil)
	check := r.o
	check.check, check.json = true, true
	r.printed.Reset()
	if err := r.join("", check, second); err != nil {
		t.Fatal(err)
	}
	var report joinReport
	if err := json.Unmarshal(r.printed.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	if report.Key != secondID.String() || report.Replaced != firstID.String() || report.Added || !report.Changed || !report.Check || report.Daemon != "" {
		t.Errorf("--check --json says %+v", report)
	}
	if r.file() != before || len(r.keyFiles()) != 1 {
		t.Errorf("--check changed something: %v\n%s", r.keyFiles(), r.file())
	}

	if err := r.join("", r.o, second); err != nil {
		t.Fatal(err)
	}
	if want := strings.ReplaceAll(before, firstID.String(), secondID.String()); r.file() != want {
		t.Errorf("after the rotation:\n%s\nwant:\n%s", r.file(), want)
	}
	if got := r.keyFiles(); len(got) != 1 || got[0] != secondID.String() {
		t.Errorf("key files %v, want %s only", got, secondID)
	}
	if _, _, err := r.o.load(); err != nil {
		t.Error(err)
	}

	// The same line again mends a lost key file.
	if err := keys.Folder(r.o.keysDir).Remove(secondID); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.o.load(); err == nil || !strings.Contains(err.Error(), "tandem-cpe join") {
		t.Errorf("without the key file: %v", err)
	}
	if err := r.join(second, r.o, "-"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.o.load(); err != nil {
		t.Error(err)
	}
	r.noSecrets()
}

// noSecrets looks for keys and lines in all that was printed and in the UCI
// file.
func (r *router) noSecrets() {
	r.t.Helper()
	for _, s := range r.secrets {
		if strings.Contains(r.printed.String(), s) || strings.Contains(r.file(), s) {
			r.t.Error("a secret was printed or is in the UCI file")
		}
	}
}

// A key that two sections name stays until the last one leaves it.
func TestJoinKeepsSharedKeys(t *testing.T) {
	r := newRouter(t)
	first, firstID := r.line(nil)
	for _, name := range []string{"a", "b"} {
		o := r.o
		o.name = name
		if err := r.join(first, o, "-"); err != nil {
			t.Fatal(err)
		}
	}
	for i, name := range []string{"a", "b"} {
		o := r.o
		o.name = name
		next, _ := r.line(nil)
		if err := r.join(next, o, "-"); err != nil {
			t.Fatal(err)
		}
		_, err := keys.Folder(r.o.keysDir).Load(firstID)
		if gone := err != nil; gone != (i == 1) {
			t.Errorf("after section %s: key file gone: %v", name, gone)
		}
	}
	if got := r.keyFiles(); len(got) != 2 {
		t.Errorf("key files %v", got)
	}
	r.noSecrets()
}

func TestJoinCommandRefuses(t *testing.T) {
	r := newRouter(t)
	good, _ := r.line(nil)
	name, _ := r.line(func(l *pairing.Line) { l.Addresses, l.Host = nil, "vm.example" })
	wrong := []byte(good)
	wrong[40] ^= 1
	if err := os.MkdirAll(r.o.configDir, 0o755); err != nil {
		t.Fatal(err)
	}
	const broken = "config tandem 'main'\n\toption colour 'blue'\n"
	for _, tt := range []struct{ name, line, file, want string }{
		{"nothing", "", "", "there is none"},
		{"something else", "https://example.com/", "", "must start with"},
		{"a wrong character", string(wrong), "", "character 41 is wrong"},
		{"cut off", good[:100], "", "cut off"},
		{"broken file", good, broken, "tandem:2: unknown option"},
		{"no name service", name, "", "is this router online"},
		{"noise", strings.Repeat("x", 1<<20), "", "must start with"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.WriteFile(filepath.Join(r.o.configDir, config.FileName), []byte(tt.file), 0o640); err != nil {
				t.Fatal(err)
			}
			o := r.o
			_, err := o.join("-", strings.NewReader(tt.line), func(string) ([]netip.Addr, error) {
				return nil, errors.New("is this router online?")
			})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want %q", err, tt.want)
			}
			r.printed.WriteString(err.Error())
			if r.file() != tt.file || len(r.keyFiles()) > 0 {
				t.Errorf("changed something: %v\n%s", r.keyFiles(), r.file())
			}
		})
	}
	o := r.o
	o.json = true
	r.printed.Reset()
	if err := r.join(string(wrong), o, "-"); err == nil {
		t.Error("taken")
	}
	var fault joinFault
	if err := json.NewDecoder(&r.printed).Decode(&fault); err != nil || fault.Char != 41 || fault.Error == "" {
		t.Errorf("--json says %+v, %v", fault, err)
	}
	r.noSecrets()
}

// A concentrator that is named instead of numbered is looked up, once.
func TestJoinLooksUp(t *testing.T) {
	r := newRouter(t)
	line, _ := r.line(func(l *pairing.Line) { l.Addresses, l.Host = nil, "vm.example" })
	got, err := r.o.join(line, nil, func(host string) ([]netip.Addr, error) {
		if host != "vm.example" {
			t.Errorf("looked up %q", host)
		}
		return []netip.Addr{netip.MustParseAddr("203.0.113.9")}, nil
	})
	if err != nil || got.Host != "vm.example" || !strings.Contains(r.file(), "list address '203.0.113.9'") {
		t.Errorf("%+v, %v\n%s", got, err, r.file())
	}
}

// The running daemon is told; what it says against it is said.
func TestJoinPokes(t *testing.T) {
	for _, answer := range []error{nil, errors.New("reload refused: options port and control take effect at a restart only")} {
		r := newRouter(t)
		reloads := 0
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		server := control.Server{Path: r.o.controlPath, Handlers: map[string]control.Handler{
			"status": func([]string) (any, error) { return "up", nil },
			"reload": func([]string) (any, error) { reloads++; return "done", answer },
		}}
		go func() { ended <- server.Run(ctx) }()
		for deadline := time.Now().Add(5 * time.Second); ; {
			if _, err := control.Call(r.o.controlPath, "status"); err == nil {
				break
			} else if time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
		line, _ := r.line(nil)
		if err := r.join(line, r.o, "-"); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		want := "the running daemon uses it now"
		if answer != nil {
			want = answer.Error()
		}
		if reloads != 1 || !strings.Contains(r.printed.String(), want) {
			t.Errorf("%d reloads; said:\n%s", reloads, &r.printed)
		}
		r.noSecrets()
	}
}

func TestClockWords(t *testing.T) {
	for ms, want := range map[int64]string{0: "ok", -999: "ok", 1500: "2s ahead", -90_000: "1m30s behind",
		10 * 365 * 86_400_000: "3650 days ahead", -3 * 86_400_000: "3 days behind"} {
		if got := clockWords(ms); got != want {
			t.Errorf("%d ms: %q, want %q", ms, got, want)
		}
	}
}

// Where the key can be stored and the file cannot be written, the key goes
// again: no secret is left that nothing names.
func TestJoinDiskFull(t *testing.T) {
	r := newRouter(t)
	if err := os.MkdirAll(r.o.configDir, 0o755); err != nil {
		t.Fatal(err)
	}
	file := "# " + strings.Repeat("x", 2000) + "\n"
	if err := os.WriteFile(filepath.Join(r.o.configDir, config.FileName), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	line, _ := r.line(nil)
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 1000, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	err := r.join(line, r.o, "-")
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if err == nil || !strings.Contains(err.Error(), "nothing is changed") {
		t.Errorf("error %v", err)
	}
	if r.file() != file || len(r.keyFiles()) != 0 {
		t.Errorf("key files %v, file of %d bytes, want none and the former one", r.keyFiles(), len(r.file()))
	}
	r.noSecrets()
}
