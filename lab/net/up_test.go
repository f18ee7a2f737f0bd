package labnet

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// up raises a lab for one test.
func up(t *testing.T, s Spec) *Lab {
	t.Helper()
	l, err := Up(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Down(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// remains lists all there is on the machine that carries the lab's name.
func remains(t *testing.T, name string) []string {
	t.Helper()
	var found []string
	for _, dir := range []string{netnsDir, runRoot} {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Name() == name || strings.HasPrefix(e.Name(), name+"-") {
				found = append(found, dir+"/"+e.Name())
			}
		}
	}
	return found
}

// strays lists devices with names of a lab's in the machine's own namespace.
func strays(t *testing.T) (found []string) {
	t.Helper()
	for _, name := range []string{"lan", "net", "dsl", "dsl0", "lte", "lte0", "wan3", "wan30", "cgn", "core"} {
		if _, err := net.InterfaceByName(name); err == nil {
			found = append(found, name)
		}
	}
	return found
}

func TestUpAndDownLeaveNothing(t *testing.T) {
	server := Symmetric(0, 0, time.Millisecond)
	for _, spec := range []Spec{{}, {WANs: DefaultWANs(8), ServerLink: &server}, {PlainWANs: true}} {
		l := up(t, spec)
		if got := len(remains(t, l.Name())); got != 5 { // four hosts, one folder
			t.Errorf("up: found %d names, want 5", got)
		}
		if got := strays(t); got != nil {
			t.Errorf("devices outside of the lab: %q", got)
		}
		names, err := Names()
		if err != nil || !slices.Contains(names, l.Name()) {
			t.Errorf("names: got %q, %v", names, err)
		}
		if _, err := Up(Spec{Name: l.Name()}); !errors.Is(err, ErrExists) {
			t.Errorf("second up: got %v, want %v", err, ErrExists)
		}
		if err := Remove(l.Name()); err == nil {
			t.Error("a lab in use was removed")
		}
		if err := l.Down(); err != nil {
			t.Error(err)
		}
		if got := remains(t, l.Name()); got != nil {
			t.Errorf("down left %q", got)
		}
	}
}

// TestProcessesEnd checks that no process outlives its host, whether it ends
// when asked to or not.
func TestProcessesEnd(t *testing.T) {
	l := up(t, Spec{})
	var started []*exec.Cmd
	for _, script := range []string{"echo ready; sleep 100", "trap '' TERM; echo ready; while :; do sleep 1; done"} {
		cmd := l.Host("cpe").Command(t.Context(), "sh", "-c", script)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		fmt.Fscan(out, new(string))
		started = append(started, cmd)
	}
	if err := l.Down(); err != nil {
		t.Error(err)
	}
	for i, want := range []syscall.Signal{unix.SIGTERM, unix.SIGKILL} {
		var exit *exec.ExitError
		if err := started[i].Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != want {
			t.Errorf("process %d: got %v, want %v", i, err, want)
		}
	}
}

// crashEnv makes TestCrashedOwner raise a lab and wait to be killed.
const crashEnv = "TANDEM_LAB_TEST_CRASH"

func TestCrashedOwner(t *testing.T) {
	if os.Getenv(crashEnv) != "" {
		l, err := Up(Spec{})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("up", l.Name())
		select {}
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestCrashedOwner$")
	cmd.Env = append(os.Environ(), crashEnv+"=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var word, name string
	if _, err := fmt.Fscan(out, &word, &name); err != nil || word != "up" {
		t.Fatalf("got %q, %v", word, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	up(t, Spec{}) // any lab
	if got := remains(t, name); got != nil {
		t.Errorf("the next up left %q", got)
	}
}

func TestPersistentLab(t *testing.T) {
	name := fmt.Sprintf("tandem-t%dp", os.Getpid())
	l, err := Up(Spec{Name: name, Persistent: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Down() })
	// The process that raised it ends: only the link process has the lock now.
	l.claim.lock.Close()

	a, err := Attach(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Link("lte").SetBlackhole(true); err != nil {
		t.Error(err)
	}
	if st, err := a.Link("lte").State(); err != nil || !st.Config.Blackhole {
		t.Errorf("got %+v, %v", st, err)
	}
	pid, persistent, err := Owner(name)
	if err != nil || !persistent || pid != l.process.cmd.Process.Pid {
		t.Errorf("owner: got %d, %v, %v", pid, persistent, err)
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = l.process.cmd.Wait()

	if _, err := Attach(name); err == nil {
		t.Error("attached to a lab without links")
	}
	up(t, Spec{})
	if len(remains(t, name)) == 0 {
		t.Error("a persistent lab was swept")
	}
	if err := Remove(name); err != nil {
		t.Error(err)
	}
	if got := remains(t, name); got != nil {
		t.Errorf("remove left %q", got)
	}
	if err := Remove(name); err != nil {
		t.Errorf("second remove: %v", err)
	}
}

func TestRemoveOfLivePersistentLab(t *testing.T) {
	name := fmt.Sprintf("tandem-t%dq", os.Getpid())
	l, err := Up(Spec{Name: name, Persistent: true})
	if err != nil {
		t.Fatal(err)
	}
	l.claim.lock.Close()
	if err := Remove(name); err != nil {
		t.Error(err)
	}
	if got := remains(t, name); got != nil {
		t.Errorf("remove left %q", got)
	}
	_ = l.process.cmd.Wait()
}
