package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tandem/lab/house"
)

// TestPollCost: a look of the status page costs the router little: the plugin,
// as rpcd runs it, and the daemon. (rpcd, ubus and uhttpd come on top on a
// router: docs/luci.md.)
func TestPollCost(t *testing.T) {
	t.Parallel()
	h := build(t, fast())
	ctx := within(t, time.Minute)
	const open, polls = 200, 20
	for i := range open {
		c, err := h.DialFrom(ctx, "", house.Server4, 7)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		text := strings.Repeat("x", 1000+i)
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, len(text))); err != nil {
			t.Fatal(err)
		}
	}
	path, err := filepath.Abs(*binaries)
	if err != nil {
		t.Fatal(err)
	}
	poll := func() (answer []byte, cost time.Duration) {
		plugin := exec.CommandContext(ctx, "../../luci-app/root/usr/libexec/rpcd/luci.tandem", "call", "status", "--control", h.CPE.Socket)
		plugin.Env, plugin.Stdin = []string{"PATH=" + path + ":/usr/bin:/bin"}, strings.NewReader(fmt.Sprintf(`{"flows":%d}`, open))
		answer, err := plugin.Output()
		if err != nil {
			t.Fatal(err)
		}
		return answer, plugin.ProcessState.UserTime() + plugin.ProcessState.SystemTime()
	}
	answer, _ := poll()
	var seen struct {
		WANs  []struct{ Name string }
		Shown struct {
			Total int
			Flows string
		}
	}
	if err := json.Unmarshal(answer, &seen); err != nil {
		t.Fatal(err)
	}
	rows := strings.SplitAfter(strings.TrimSuffix(seen.Shown.Flows, "\n"), "\n")
	if len(seen.WANs) != 2 || seen.Shown.Total != open || len(rows) != open {
		t.Fatalf("%d lines, %d flows of %d", len(seen.WANs), len(rows), seen.Shown.Total)
	}
	if first := strings.Split(rows[0], "\t"); len(first) < 11 || first[1] != "192.0.2.10" || first[5] != "mptcp" || first[6] != "1199" || first[7] != "1199" {
		t.Errorf("the biggest: %q", rows[0])
	}

	var plugin time.Duration
	daemon := cpuTime(t, h.CPE.PID())
	for range polls {
		_, cost := poll()
		plugin += cost
	}
	plugin, daemon = plugin/polls, (cpuTime(t, h.CPE.PID())-daemon)/polls
	t.Logf("%d flows: plugin %v, daemon %v, %d bytes", open, plugin, daemon, len(answer))
	const limit = 15 * time.Millisecond // twice what is usual on a busy machine
	if plugin+daemon > limit {
		t.Errorf("a poll costs %v + %v of CPU, want at most %v", plugin, daemon, limit)
	}
}

// cpuTime is what all threads of a process have had of a processor.
func cpuTime(t *testing.T, pid int) (sum time.Duration) {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(tasks) == 0 {
		t.Fatalf("threads of process %d: %d, %v", pid, len(tasks), err)
	}
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			continue // it has ended
		}
		var ns time.Duration
		if _, err := fmt.Fscan(bytes.NewReader(text), &ns); err != nil {
			t.Fatal(err)
		}
		sum += ns
	}
	return sum
}
