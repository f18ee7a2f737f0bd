package debian

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func pack(t *testing.T, binary string) string {
	t.Helper()
	out := t.TempDir()
	c := exec.Command("./build", binary, "amd64", "1.2.3~test", out)
	c.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000")
	if text, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return filepath.Join(out, "tandem-concentrator_1.2.3~test_amd64.deb")
}

// The package holds what a service needs, owned by root, and two of one commit
// are equal. What lintian says is in "make test-deb".
func TestPackage(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(binary, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	deb := pack(t, binary)
	one, err := os.ReadFile(deb)
	if err != nil {
		t.Fatal(err)
	}
	if two, err := os.ReadFile(pack(t, binary)); err != nil || !bytes.Equal(one, two) {
		t.Errorf("two packages of one commit differ, %v", err)
	}
	list, err := exec.Command("dpkg-deb", "-c", deb).Output()
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(string(list)), "\n") {
		f := strings.Fields(line)
		have[f[5]] = f[0]
		if f[1] != "root/root" {
			t.Errorf("%s belongs to %s", f[5], f[1])
		}
	}
	for name, mode := range map[string]string{
		"./":                            "drwxr-xr-x",
		"./usr/bin/tandem-concentrator": "-rwxr-xr-x",
		"./etc/tandem-concentrator/tandem-concentrator.toml":          "-rw-r--r--",
		"./usr/lib/systemd/system/tandem-concentrator.service":        "-rw-r--r--",
		"./usr/lib/systemd/system/tandem-concentrator.socket":         "-rw-r--r--",
		"./usr/lib/sysusers.d/tandem-concentrator.conf":               "-rw-r--r--",
		"./usr/lib/sysctl.d/60-tandem-concentrator.conf":              "-rw-r--r--",
		"./usr/lib/modules-load.d/tandem-concentrator.conf":           "-rw-r--r--",
		"./usr/share/man/man8/tandem-concentrator.8.gz":               "-rw-r--r--",
		"./usr/share/man/man8/tandem-cpe.8.gz":                        "-rw-r--r--",
		"./usr/share/bash-completion/completions/tandem-concentrator": "-rw-r--r--",
	} {
		if have[name] != mode {
			t.Errorf("%s has mode %q, want %q", name, have[name], mode)
		}
	}
	for _, script := range []string{"postinst", "prerm", "postrm"} {
		text, err := os.ReadFile(script)
		if err != nil {
			t.Fatal(err)
		}
		c := exec.Command("sh", "-n")
		c.Stdin = bytes.NewReader(text)
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", script, err, out)
		}
	}
}
