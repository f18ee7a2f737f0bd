package systemd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What an attacker who took the daemon over could still do, by systemd's own
// count: 0 is nothing, 10 is all. 2.0 is the most we accept.
func TestExposure(t *testing.T) {
	out, err := exec.Command("systemd-analyze", "security", "--offline=yes", "--threshold=20", "--no-pager",
		"tandem-concentrator.service").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	t.Log(lines[len(lines)-1])
}

// Older systemd than the one we are for, such as Debian 12's, knows less.
var newer = []string{"Unknown key 'ImportCredential'", "Failed to parse socket protocol, ignoring: mptcp"}

func TestVerify(t *testing.T) {
	dir := t.TempDir()
	// The programs that the units name need not be installed here.
	for _, name := range []string{"tandem-concentrator.service", "tandem-concentrator.socket"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		unit := strings.NewReplacer("/usr/bin/tandem-concentrator", "/bin/true", "Documentation=", "#").Replace(string(text))
		if err := os.WriteFile(filepath.Join(dir, name), []byte(unit), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("systemd-analyze", "verify", "--man=no",
		filepath.Join(dir, "tandem-concentrator.service"), filepath.Join(dir, "tandem-concentrator.socket")).CombinedOutput()
	if err != nil {
		t.Errorf("%v", err)
	}
line:
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		for _, n := range newer {
			if strings.Contains(line, n) {
				continue line
			}
		}
		if strings.Contains(line, "tandem-concentrator") {
			t.Error(line)
		}
	}
}

// Every setting has its reason, and the kernel knows it.
func TestSysctl(t *testing.T) {
	text, err := os.ReadFile("sysctl.d/60-tandem-concentrator.conf")
	if err != nil {
		t.Fatal(err)
	}
	reason, settings := false, 0
	for _, line := range strings.Split(string(text), "\n") {
		name, value, is := strings.Cut(line, " = ")
		switch {
		case strings.HasPrefix(line, "#"):
			reason = true
		case line == "":
			reason = false
		case !is || value == "" || !reason:
			t.Errorf("%q: want NAME = VALUE below its reason", line)
		default:
			settings++
			path := "/proc/sys/" + strings.ReplaceAll(name, ".", "/")
			if _, err := os.Stat(path); err != nil {
				t.Error(err)
			}
		}
	}
	if settings == 0 {
		t.Error("no settings")
	}
}
