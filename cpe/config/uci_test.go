package config

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// testdata/uci.txt holds what OpenWrt's own uci program shows for each
// construct. UCI_PROGRAM=/path/to/uci go test -run TestAsUCI writes it anew.
const uciFile = "testdata/uci.txt"

// Where we read something that uci reads otherwise, and why.
var unlikeUCI = map[string]string{
	"list with repeated element": "all lists here are sets",
}

// Everything that is read is read as uci reads it.
func TestAsUCI(t *testing.T) {
	if program := os.Getenv("UCI_PROGRAM"); program != "" {
		writeUCI(t, program)
	}
	text, err := os.ReadFile(uciFile)
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{}
	for _, block := range strings.Split(string(text), "\n== ")[1:] {
		name, rest, _ := strings.Cut(block, "\n")
		shown[name] = strings.TrimSuffix(rest, "\n")
	}
	compared := 0
	for _, c := range constructs() {
		uci, ok := shown[c.name]
		if !ok {
			t.Errorf("%s is not in %s", c.name, uciFile)
			continue
		}
		if c.refused != "" {
			continue // refused with a sentence, whatever uci makes of it
		}
		sections, err := read(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got := fmt.Sprintf("%q", asUCI(sections))
		if why := unlikeUCI[c.name]; why != "" {
			if got == uci {
				t.Errorf("%s is read as uci reads it after all, not: %s", c.name, why)
			}
			continue
		}
		compared++
		if diff := cmp.Diff(uci, got); diff != "" {
			t.Errorf("%s: %q (-uci +ours):\n%s", c.name, c.text, diff)
		}
	}
	if compared < 50 {
		t.Errorf("%d constructs compared with uci, want 50 at least", compared)
	}
}

// asUCI writes sections as "uci show" does.
func asUCI(sections []*section) string {
	var b strings.Builder
	index := map[string]int{}
	for _, s := range sections {
		name := s.name
		if name == "" {
			name = fmt.Sprintf("@%s[%d]", s.typ, index[s.typ])
		}
		index[s.typ]++
		fmt.Fprintf(&b, "tandem.%s=%s\n", name, s.typ)
		for _, o := range s.options {
			if !o.list && o.values[0].text == "" {
				continue // not set
			}
			fmt.Fprintf(&b, "tandem.%s.%s=", name, o.name)
			for i, v := range o.values {
				if i > 0 {
					b.WriteByte(' ')
				}
				b.WriteString("'" + strings.ReplaceAll(v.text, "'", `'\''`) + "'")
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func writeUCI(t *testing.T, program string) {
	t.Helper()
	var b strings.Builder
	b.WriteString("What \"uci show\" of OpenWrt (openwrt/uci " + os.Getenv("UCI_VERSION") + ") prints for each construct, quoted as Go does.\n")
	for _, c := range constructs() {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, FileName), []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(program, "-c", dir, "-p", t.TempDir(), "show", FileName).CombinedOutput()
		if err != nil {
			line := regexp.MustCompile(`^\S*uci: `).ReplaceAllString(strings.TrimSpace(string(out)), "")
			fmt.Fprintf(&b, "\n== %s\nrefused: %s\n", c.name, line)
			continue
		}
		fmt.Fprintf(&b, "\n== %s\n%q\n", c.name, out)
	}
	if err := os.WriteFile(uciFile, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
