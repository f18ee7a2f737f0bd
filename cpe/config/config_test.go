package config

import (
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// samplePath is the file that the package installs as /etc/config/tandem.
const samplePath = "../../openwrt/tandem/files/tandem.config"

var updateFlag = flag.Bool("update", false, "rewrite golden files")

// golden compares got with the file, or rewrites it.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *updateFlag {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func parseFile(t *testing.T, file string) (*Config, error) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return Parse("tandem", f)
}

func files(t *testing.T, pattern string) []string {
	t.Helper()
	all, err := filepath.Glob(pattern)
	if err != nil || len(all) == 0 {
		t.Fatalf("no file matches %q: %v", pattern, err)
	}
	return all
}

func TestGood(t *testing.T) {
	for _, file := range files(t, "testdata/good/*.conf") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			c, err := parseFile(t, file)
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.MarshalIndent(c, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, strings.TrimSuffix(file, ".conf")+".json", string(text)+"\n")
		})
	}
}

func TestBad(t *testing.T) {
	for _, file := range files(t, "testdata/bad/*.conf") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			c, err := parseFile(t, file)
			if err == nil || c != nil {
				t.Fatalf("got %v, %v, want an error only", c, err)
			}
			golden(t, strings.TrimSuffix(file, ".conf")+".txt", err.Error()+"\n")
		})
	}
}

// The sample file changes nothing, and the defaults that it shows are the
// defaults of the code.
func TestSample(t *testing.T) {
	text, err := os.ReadFile(samplePath)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()

	asShipped, err := Parse("tandem", strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&want, asShipped); diff != "" {
		t.Errorf("as shipped, against the defaults (-want +got):\n%s", diff)
	}

	all := regexp.MustCompile(`(?m)^(\t?)#(\t?(?:config|option|list)\b)`).ReplaceAllString(string(text), "$1$2")
	everything, err := Parse("tandem", strings.NewReader(all))
	if err != nil {
		t.Fatal(err)
	}
	if len(everything.Concentrators) != 1 || len(everything.WANs) != 2 || len(everything.Bypass.MACs) != 1 || len(everything.Rules) != 3 || len(everything.Redirects) != 1 {
		t.Errorf("with all comments removed got %+v, want one concentrator, two WANs, a bypass, three rules, a redirect", everything)
	}
	if got := everything.Concentrators[0].Port; got != defaultConvertPort {
		t.Errorf("concentrator port in the sample = %d, want the default %d", got, defaultConvertPort)
	}
	everything.Concentrators, everything.WANs, everything.Bypass, everything.Rules, everything.Redirects = nil, nil, Bypass{}, nil, nil
	if diff := cmp.Diff(&want, everything); diff != "" {
		t.Errorf("with all comments removed, against the defaults (-want +got):\n%s", diff)
	}

	for _, kind := range []any{&rawMain{}, &rawConcentrator{}, &rawWAN{}, &rawBypass{}, &rawRule{}, &rawRedirect{}} {
		for option := range fields(kind) {
			if option == "syn_data" { // still read, but replaced by first_byte
				continue
			}
			if !regexp.MustCompile(`(?m)^[\t#]*(option|list) ` + option + ` '`).Match(text) {
				t.Errorf("option %q is not in the sample", option)
			}
		}
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: got %v, want fs.ErrNotExist", err)
	}
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, FileName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("config tandem main\n option port 7000\n")
	c, err := Load(dir)
	if err != nil || c.Port != 7000 {
		t.Errorf("got %+v, %v, want port 7000", c, err)
	}
	write("config tandem main\n\n option port x\n")
	var e *Error
	if _, err := Load(dir); !errors.As(err, &e) || e.Line != 3 || e.File != "tandem" {
		t.Errorf("got %v, want an *Error for tandem:3", err)
	}
	write(strings.Repeat("#", maxFile+1))
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Errorf("file too large: got %v", err)
	}
}

// A file of a size that users have loads in time, and every element arrives.
func TestLongLists(t *testing.T) {
	var b strings.Builder
	b.WriteString("config bypass\n")
	for i := range 10000 {
		b.WriteString("\tlist destination '198.51." + strconv.Itoa(i/200) + "." + strconv.Itoa(i%200) + "'\n")
	}
	c, err := Parse("tandem", strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	if got := len(c.Bypass.Destinations); got != 10000 {
		t.Errorf("got %d destinations, want 10000", got)
	}
}
