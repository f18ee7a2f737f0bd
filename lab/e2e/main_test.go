// Package e2e runs Tandem as its users do: both daemons as processes, a LAN
// host and servers that know nothing of them, the real kernel in between.
package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"tandem/lab/house"
	labnet "tandem/lab/net"
)

var binaries = flag.String("binaries", "", "folder with tandem-cpe and tandem-concentrator (default: build them)")

func TestMain(m *testing.M) {
	flag.Parse()
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "the end-to-end tests make network namespaces: run them as root")
		os.Exit(1)
	}
	code, err := withBinaries(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func withBinaries(run func() int) (int, error) {
	if *binaries != "" {
		return run(), nil
	}
	dir, err := os.MkdirTemp("", "tandem-bin-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"cpe", "concentrator"} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "tandem-"+name), "tandem/"+name)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as they are shipped
		out, err := cmd.CombinedOutput()
		if err != nil {
			return 1, fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	*binaries = dir
	return run(), nil
}

// build raises a house for one test and takes it down at the end.
func build(t *testing.T, o house.Options) *house.House {
	t.Helper()
	o.Binaries = *binaries
	h, err := house.Build(context.Background(), o)
	if h != nil {
		t.Cleanup(func() {
			if t.Failed() {
				for name, d := range map[string]*house.Daemon{"cpe": h.CPE, "concentrator": h.Concentrator} {
					if d != nil {
						t.Logf("%s said:\n%s", name, d.Log)
					}
				}
			}
			if err := h.Close(); err != nil {
				t.Errorf("taking the house down: %v", err)
			}
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// fast is a house whose lines are plain cables, for what does not depend on
// rate and delay.
func fast() house.Options { return house.Options{Spec: labnet.Spec{PlainWANs: true}} }

// sixty is a house with a round trip of 60 ms on both lines.
func sixty() house.Options {
	return house.Options{Spec: labnet.Spec{WANs: []labnet.WAN{
		{Name: "dsl", Link: labnet.Symmetric(50e6, 20e6, 30*time.Millisecond)},
		{Name: "lte", Link: labnet.Symmetric(50e6, 20e6, 30*time.Millisecond)},
	}}}
}

func status(t *testing.T, h *house.House) house.Status {
	t.Helper()
	s, err := h.Status()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// eventually waits for a condition, and fails the test with what when it does
// not come about.
func eventually(t *testing.T, limit time.Duration, what string, condition func() bool) (took time.Duration) {
	t.Helper()
	begin := time.Now()
	for !condition() {
		if time.Since(begin) > limit {
			t.Fatalf("after %s still not: %s", limit, what)
		}
		time.Sleep(2 * time.Millisecond) // between looks, not instead of one
	}
	return time.Since(begin)
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func run(t *testing.T, ctx context.Context, host *labnet.Host, name string, args ...string) string {
	t.Helper()
	out, err := host.Run(ctx, name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
