package supply

import (
	"bufio"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// builds are the daemons as they are installed.
var builds = []struct{ pkg, arch string }{
	{"./cpe", "amd64"}, {"./cpe", "mipsle"}, {"./cpe", "arm64"},
	{"./concentrator", "amd64"}, {"./concentrator", "arm64"},
}

// modules returns the modules whose packages are in a daemon, with the folder
// of each.
func modules(t *testing.T, pkg, arch string) map[string]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Dir}}{{end}}{{end}}", pkg)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %s for %s: %v", pkg, arch, err)
	}
	found := map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		if path, dir, ok := strings.Cut(line, "\t"); ok {
			found[path] = dir
		}
	}
	if len(found) == 0 {
		t.Fatalf("%s for %s: no module at all", pkg, arch)
	}
	return found
}

// row is one line of docs/dependencies.md.
type row struct {
	module, licence string
	installed       bool // in a daemon
}

var tableRow = regexp.MustCompile("^\\| `([^`]+)`[^|]*\\|[^|]+\\| ([^|]+) \\| ([^|]+) \\|")

func rows(t *testing.T) map[string]row {
	t.Helper()
	f, err := os.Open(root + "/docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	found := map[string]row{}
	for s := bufio.NewScanner(f); s.Scan(); {
		m := tableRow.FindStringSubmatch(s.Text())
		if m == nil {
			continue
		}
		if _, twice := found[m[1]]; twice {
			t.Errorf("docs/dependencies.md has two lines for %s", m[1])
		}
		found[m[1]] = row{m[1], strings.TrimSpace(m[2]), strings.TrimSpace(m[3]) != "not installed"}
	}
	return found
}

// TestDependencies compares docs/dependencies.md with what is really in the
// daemons: a module that nobody wrote a line for fails, so does a line that no
// daemon needs any more, and a licence that is not the module's.
func TestDependencies(t *testing.T) {
	documented, used := rows(t), map[string]bool{}
	for _, b := range builds {
		for path, dir := range modules(t, b.pkg, b.arch) {
			r, ok := documented[path]
			if !ok {
				t.Errorf("%s for %s is built with %s: docs/dependencies.md needs a line that says why", b.pkg, b.arch, path)
				continue
			}
			if used[path] {
				continue
			}
			used[path] = true
			if !r.installed {
				t.Errorf("%s is in a daemon, docs/dependencies.md says it is not installed", path)
			}
			got, err := Licence(dir)
			if err != nil {
				t.Errorf("%s: %v", path, err)
			} else if got != r.licence {
				t.Errorf("%s has licence %s, docs/dependencies.md says %q", path, got, r.licence)
			}
		}
	}
	ours := modules(t, "./...", "amd64")
	for path, r := range documented {
		if _, ok := ours[path]; r.installed && !ok {
			t.Errorf("docs/dependencies.md lists %s, which nothing here uses", path)
		}
	}
}

// TestCPEIsSmall: what the router's program must not be built with.
func TestCPEIsSmall(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "./cpe")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=mipsle", "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	have := strings.Fields(string(out))
	for _, not := range []string{"net/http", "crypto/tls", "crypto/x509", "runtime/cgo", "github.com/prometheus/client_golang/prometheus"} {
		if slices.Contains(have, not) {
			t.Errorf("tandem-cpe is built with %s", not)
		}
	}
	for _, pkg := range have {
		if strings.HasPrefix(pkg, "tandem/concentrator") {
			t.Errorf("tandem-cpe is built with %s", pkg)
		}
	}
}
