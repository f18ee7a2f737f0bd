package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A file can be checked under every spelling, before it takes the place of the
// one in force.
func TestValidate(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.toml"), filepath.Join(dir, "bad.toml")
	sample, err := os.ReadFile("tandem-concentrator.toml")
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{good: string(sample), bad: "# nothing\nlisten = 5\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, spelling := range [][]string{{"validate"}, {"--validate"}, {"validate", "--config"}} {
		var out, errs bytes.Buffer
		if status := command(append(spelling, good), &out, &errs); status != 0 || !strings.Contains(out.String(), "is valid") {
			t.Errorf("%v good: %d, %s%s", spelling, status, &out, &errs)
		}
		out.Reset()
		errs.Reset()
		if status := command(append(spelling, bad), &out, &errs); status != 1 || !strings.Contains(errs.String(), bad+":2:") {
			t.Errorf("%v bad: %d, want 1 and the line: %s%s", spelling, status, &out, &errs)
		}
	}
}
