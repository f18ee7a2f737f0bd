package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzParse shows that no file makes Parse panic, that a file is taken whole
// or refused with its name, and that go-uci behind the guard reads every value
// as the guard does (readValues refuses otherwise).
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/good/*.conf", "testdata/bad/*.conf", samplePath} {
		all, err := filepath.Glob(pattern)
		if err != nil || len(all) == 0 {
			f.Fatalf("no seed for %q: %v", pattern, err)
		}
		for _, file := range all {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(text))
		}
	}
	f.Add("c t\no a 'it'\\''s'\nl b \"\\\n\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse("tandem", strings.NewReader(text))
		if (c == nil) == (err == nil) {
			t.Fatalf("got config %v and error %v, want exactly one", c, err)
		}
		if err == nil {
			return
		}
		if !strings.HasPrefix(err.Error(), "tandem:") {
			t.Errorf("error does not name the file: %v", err)
		}
		if strings.Contains(err.Error(), "uci reader") {
			t.Errorf("guard and go-uci differ: %v", err)
		}
	})
}

func FuzzEscape(f *testing.F) {
	f.Add("")
	f.Add("a'b % \\\n")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := unescape(escape(s))
		if err != nil || got != s {
			t.Errorf("unescape(escape(%q)) = %q, %v", s, got, err)
		}
	})
}
