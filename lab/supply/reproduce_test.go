package supply

import (
	"bytes"
	"crypto/sha256"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestReproducible builds both daemons twice, as "make daemons" does, from
// copies of the tree in folders of different names, once with the compiler's
// cache of this machine and once with an empty one, so that all is compiled
// anew, the standard library too. The bytes must be the same.
func TestReproducible(t *testing.T) {
	cached, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	var sums [2]map[string][32]byte
	for i, b := range []struct{ dir, cache string }{
		{"a", strings.TrimSpace(string(cached))},
		{filepath.Join("another", "folder of a longer name"), t.TempDir()},
	} {
		dir := filepath.Join(t.TempDir(), b.dir)
		copyTree(t, dir)
		cmd := exec.Command("make", "-s", "daemons", "VERSION=1.2.3")
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOCACHE="+b.cache, "CGO_ENABLED=0", "PWD="+dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("make daemons: %v\n%s", err, out)
		}
		sums[i] = map[string][32]byte{}
		for _, name := range []string{"tandem-cpe", "tandem-concentrator"} {
			program, err := os.ReadFile(filepath.Join(dir, "build", name))
			if err != nil {
				t.Fatal(err)
			}
			sums[i][name] = sha256.Sum256(program)
			for _, path := range []string{dir, b.cache} {
				if bytes.Contains(program, []byte(path)) {
					t.Errorf("%s holds the path %q of the machine that built it", name, path)
				}
			}
		}
	}
	for name, sum := range sums[0] {
		if sums[1][name] != sum {
			t.Errorf("%s: two builds differ: SHA-256 %x and %x", name, sum, sums[1][name])
		}
	}
}

// copyTree copies what a build needs: Go files, what they embed, the Makefile.
func copyTree(t *testing.T, to string) {
	t.Helper()
	for _, what := range []string{"go.mod", "go.sum", "Makefile", "cpe", "concentrator", "shared"} {
		if err := os.MkdirAll(filepath.Join(to, what), 0o755); err != nil {
			t.Fatal(err)
		}
		from := filepath.Join(root, what)
		if fi, err := os.Stat(from); err != nil {
			t.Fatal(err)
		} else if !fi.IsDir() {
			_ = os.Remove(filepath.Join(to, what))
			text, err := os.ReadFile(from)
			if err == nil {
				err = os.WriteFile(filepath.Join(to, what), text, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.CopyFS(filepath.Join(to, what), os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
}
