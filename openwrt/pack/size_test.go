package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// What a router's flash must hold: the program, and the program in squashfs or
// in a package, both of which compress about as xz does.
const (
	maxProgram = 4_000_000
	maxXZ      = 1_200_000
)

func TestSize(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tandem-cpe")
	if err := mipsle.build(path, "0.1.0"); err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("xz", "-9e", "-T1", "-c")
	cmd.Stdin = bytes.NewReader(program)
	packed, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("tandem-cpe for mipsle: %d bytes, %d as xz", len(program), len(packed))
	if len(program) > maxProgram {
		t.Errorf("tandem-cpe for mipsle has %d bytes, more than %d: see \"What the router's program does without\" in docs/dependencies.md", len(program), maxProgram)
	}
	if len(packed) > maxXZ {
		t.Errorf("tandem-cpe for mipsle has %d bytes as xz, more than %d", len(packed), maxXZ)
	}
}

// Each of these brings more code along than a router's program can afford.
func TestDoesWithout(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "tandem/cpe")
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=mipsle", "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	dependencies := bytes.Fields(out)
	for package_, instead := range map[string]string{
		"net/http":                       "the control socket",
		"crypto/tls":                     "Credential",
		"encoding/json":                  "shared/smalljson",
		"log/slog":                       "shared/logline",
		"text/template":                  "fmt",
		"html/template":                  "fmt",
		"encoding/gob":                   "shared/smalljson",
		"text/tabwriter":                 "shared/columns",
		"crypto/rand":                    "shared/random",
		"os/exec":                        "shared/program",
		"flag":                           "shared/cli",
		"github.com/vishvananda/netlink": "its package nl",
		"crypto/sha256":                  "shared/sha256",
		"crypto/cipher":                  "nothing that needs it",
	} {
		for _, d := range dependencies {
			if string(d) == package_ {
				t.Errorf("tandem-cpe imports %s: use %s", package_, instead)
			}
		}
	}
}
