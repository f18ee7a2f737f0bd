package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	labnet "tandem/lab/net"
)

// cli builds the program and returns a function that runs it for one lab.
func cli(t *testing.T) (run func(args ...string) (string, error), name string) {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "lab")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	name = fmt.Sprintf("%s-t%dcli", labnet.DefaultName, os.Getpid())
	run = func(args ...string) (string, error) {
		args = append([]string{args[0], "--name", name}, args[1:]...)
		out, err := exec.Command(bin, args...).CombinedOutput()
		return string(out), err
	}
	t.Cleanup(func() {
		if out, err := run("down"); err != nil {
			t.Errorf("down: %v\n%s", err, out)
		}
	})
	return run, name
}

func must(t *testing.T, run func(...string) (string, error), args ...string) string {
	t.Helper()
	out, err := run(args...)
	if err != nil {
		t.Fatalf("lab %q: %v\n%s", args, err, out)
	}
	return out
}

func TestCommandLine(t *testing.T) {
	run, name := cli(t)
	if out := must(t, run, "up", "--wans", "3", "--server-delay", "5ms"); !strings.Contains(out, "wan3") {
		t.Errorf("up printed %s", out)
	}
	if out, err := run("up"); err == nil || !strings.Contains(out, "exists") {
		t.Errorf("second up: %v %s", err, out)
	}

	must(t, run, "link", "lte", "--rate", "30M/10M", "--delay", "60ms", "--jitter", "3ms", "--loss", "1%",
		"--seed", "7", "--queue", "100ms", "--down", "--blackhole", "on", "--strip", "both")
	must(t, run, "link", "lte", "--queue", "64k/bdp", "--blackhole", "off")
	var r report
	if err := json.Unmarshal([]byte(must(t, run, "status", "--json")), &r); err != nil {
		t.Fatal(err)
	}
	var got labnet.LinkConfig
	for _, l := range r.Links {
		if l.Name == "lte" {
			got = l.Config
		}
	}
	want := labnet.Symmetric(30e6, 10e6, 60e6)
	want.Down.Jitter, want.Down.Loss, want.Up.Jitter, want.Up.Loss = 3e6, 0.01, 3e6, 0.01
	want.Down.QueueBytes, want.Seed, want.Off = 64_000, 7, true
	want.Strip = labnet.Strip{SYNData: true, MPTCP: true}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if out := must(t, run, "status"); !strings.Contains(out, "off, strips SYN data, strips MPTCP") {
		t.Errorf("status printed %s", out)
	}

	for _, args := range [][]string{
		{"link", "lte"}, {"link", "lte", "--loss", "200%"}, {"link", "lte", "--rate", "1"}, {"link", "nosuch", "--up"},
		{"link", "lte", "--blackhole", "maybe"}, {"link", "lte", "--up", "extra"},
		{"exec", "nosuch", "--", "true"}, {"exec", "cpe", "true"}, {"status", "extra"}, {"up", "--wans", "9"},
	} {
		if out, err := run(args...); err == nil || !strings.HasPrefix(out, "lab: ") {
			t.Errorf("lab %q: got %v and %q", args, err, out)
		}
	}

	// kill -9 of the link process, then down.
	pid, _, err := labnet.Owner(name)
	if err != nil || pid == 0 {
		t.Fatalf("owner: %d, %v", pid, err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	must(t, run, "down")
	must(t, run, "down") // nothing to do is no error
	for _, dir := range []string{"/run/netns", "/run/tandem-lab"} {
		if found, _ := filepath.Glob(filepath.Join(dir, name+"*")); found != nil {
			t.Errorf("left %q", found)
		}
	}
}

func TestExec(t *testing.T) {
	run, _ := cli(t)
	must(t, run, "up", "--plain")
	if out := must(t, run, "exec", "net", "--", "cat", "/sys/class/net/eth0/carrier"); out != "1\n" {
		t.Errorf("got %q", out)
	}
	for want, script := range map[int]string{7: "exit 7", 0: "true"} {
		_, err := run("exec", "cpe", "--", "sh", "-c", script)
		var exit *exec.ExitError
		if got := 0; errors.As(err, &exit) && exit.ExitCode() != want || !errors.As(err, &exit) && want != got {
			t.Errorf("%q: got %v, want %d", script, err, want)
		}
	}
	_, err := run("exec", "cpe", "--", "no-such-program")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 127 {
		t.Errorf("unknown program: got %v, want 127", err)
	}
	_, err = run("exec", "cpe", "--", "sh", "-c", "kill -TERM $$")
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("killed program: got %v", err)
	}
}

func TestUnits(t *testing.T) {
	for s, want := range map[string]int64{"0": 0, "500k": 500e3, "20M": 20e6, "1.5G": 1.5e9, "8000": 8000} {
		if got, err := parseRate(s); err != nil || got != want {
			t.Errorf("%q: got %d, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "x", "-1M", "NaN", "1T", "1e30G"} {
		if got, err := parseRate(s); err == nil {
			t.Errorf("%q: got %d", s, got)
		}
	}
	for s, want := range map[string]float64{"1%": 0.01, "0.5": 0.5, "100%": 1} {
		if got, err := parseShare(s); err != nil || got != want {
			t.Errorf("%q: got %v, %v", s, got, err)
		}
	}
	for bits, want := range map[int64]string{0: "∞", 64e3: "64k", 20e6: "20M", 2.5e9: "2.5G"} {
		if got := formatRate(bits); got != want {
			t.Errorf("%d: got %q", bits, got)
		}
	}
}

func TestHelpNamesEveryCommand(t *testing.T) {
	text := help()
	for _, c := range commands() {
		if !strings.Contains(text, "  "+c.name+" ") || c.short == "" || c.run == nil {
			t.Errorf("command %q", c.name)
		}
	}
}
