package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tandem-mptcp/tandem/lab/house"
)

// TestIdleSleeps: with connections parked and no flow, neither daemon does
// anything now and then. Each time that one is woken costs it several waits:
// the thread that was woken, those the scheduler wakes beside it.
func TestIdleSleeps(t *testing.T) {
	t.Parallel()
	o := sixty()
	o.CPE = "\toption warm_min '64'\n"
	h := build(t, o)
	ready(t, h)
	if _, err := h.FirstByte(within(t, 10*time.Second), "", house.Server4); err != nil {
		t.Fatal(err)
	}
	ready(t, h)
	// What the last flow left behind may be in the first window.
	const window, limitCPE, limitConcentrator = 10 * time.Second, 10.0, 5.0 // on a busy machine
	measure := func() (cpe, concentrator float64) {
		a, b := waits(t, h.CPE.PID()), waits(t, h.Concentrator.PID())
		time.Sleep(window) // this is what is measured
		return (waits(t, h.CPE.PID()) - a) / window.Seconds(), (waits(t, h.Concentrator.PID()) - b) / window.Seconds()
	}
	var cpe, concentrator float64
	for range 3 {
		cpe, concentrator = measure()
		t.Logf("router %.1f waits a second, concentrator %.1f", cpe, concentrator)
		if cpe <= limitCPE && concentrator <= limitConcentrator {
			return
		}
	}
	t.Errorf("router %.1f waits a second, concentrator %.1f; want at most %.0f and %.0f", cpe, concentrator, limitCPE, limitConcentrator)
}

// waits counts how often the threads of a process gave up the processor.
func waits(t *testing.T, pid int) (n float64) {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(tasks) == 0 {
		t.Fatalf("threads of process %d: %d, %v", pid, len(tasks), err)
	}
	for _, path := range tasks {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(text), "\nvoluntary_ctxt_switches:")
		var v float64
		if _, err := fmt.Sscan(rest, &v); err != nil {
			t.Fatal(err)
		}
		n += v
	}
	return n
}
