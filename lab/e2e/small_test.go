package e2e

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tandem/lab/house"
)

// A router with 60 MB for the daemon and what the kernel counts as used for it:
// 1,000 live flows and a download pass, and the daemon's own stays below 32 MB.
// Its limits are those that the init script sets for a router with 64 MB.
func TestSmallRouter(t *testing.T) {
	t.Parallel()
	group, peak := memoryGroup(t, 60<<20)
	h := build(t, sixty())
	ctx := within(t, 3*time.Minute)
	if err := h.CPE.Stop(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	h.CPEUnder = []string{"env", "GOMEMLIMIT=20MiB", "GOGC=50"}
	if err := h.StartCPE(ctx); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(strconv.Itoa(h.CPE.PID())), 0o644); err != nil {
		t.Fatal(err)
	}
	idle := highWater(t, h.CPE.PID())
	const flows = 1000
	var all []net.Conn
	defer func() {
		for _, c := range all {
			c.Close()
		}
	}()
	for range flows {
		c, err := h.DialFrom(ctx, "", house.Server4, house.EchoPort)
		if err != nil {
			t.Fatalf("connection %d: %v", len(all)+1, err)
		}
		all = append(all, c)
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		if _, err := c.Write([]byte{1}); err != nil {
			t.Fatal(err)
		}
	}
	for i, c := range all {
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Fatalf("connection %d: %v", i+1, err)
		}
	}
	// An answer reaches the LAN host a moment before its flow is counted.
	eventually(t, 10*time.Second, "all flows are relayed", func() bool { return status(t, h).Flows.Relayed == flows })
	if s := status(t, h); s.Flows.Direct != 0 {
		t.Errorf("flows %+v, want none direct", s.Flows)
	}
	if err := h.Download(ctx, "", house.Server4, 10<<20); err != nil {
		t.Fatal(err)
	}
	own := highWater(t, h.CPE.PID())
	t.Logf("%.1f MB idle; with %d flows %.1f MB at most, and %.1f MB of its group's 60", float64(idle)/1e6, flows, float64(own)/1e6, float64(number(t, peak))/1e6)
	if own > 32e6 {
		t.Errorf("the daemon took %.1f MB with %d flows, want at most 32", float64(own)/1e6, flows)
	}
}

// memoryGroup makes a control group with a limit of memory; peak is the file
// that tells the most that it has used.
func memoryGroup(t *testing.T, limit int) (folder, peak string) {
	t.Helper()
	root, most, used := "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.max_usage_in_bytes"
	if controllers, err := os.ReadFile("/sys/fs/cgroup/cgroup.controllers"); err == nil && strings.Contains(string(controllers), "memory") {
		root, most, used = "/sys/fs/cgroup", "memory.max", "memory.peak"
		_ = os.WriteFile(filepath.Join(root, "cgroup.subtree_control"), []byte("+memory"), 0o644)
	}
	folder, err := os.MkdirTemp(root, "tandem-")
	if err != nil {
		t.Fatalf("this test needs the memory controller of control groups: %v", err)
	}
	t.Cleanup(func() { _ = os.Remove(folder) })
	if err := os.WriteFile(filepath.Join(folder, most), []byte(strconv.Itoa(limit)), 0o644); err != nil {
		t.Fatal(err)
	}
	return folder, filepath.Join(folder, used)
}

func number(t *testing.T, path string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(read(t, path)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// highWater is the most memory that a process has had resident, in bytes.
func highWater(t *testing.T, pid int) int {
	t.Helper()
	for line := range strings.Lines(read(t, filepath.Join("/proc", strconv.Itoa(pid), "status"))) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmHWM:" {
			kb, err := strconv.Atoi(f[1])
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatal("no VmHWM")
	return 0
}
