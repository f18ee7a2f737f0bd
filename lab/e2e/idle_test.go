package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tandem/lab/house"
)

// TestIdleSleeps: with connections parked and no flow, both daemons sleep. Each
// time that one is woken costs it some ten waits: those of the thread that was
// woken, of those that the scheduler wakes beside it, of Go's monitor.
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
	// The last flow leaves something behind, once a minute somebody looks whether
	// lines are there still, and keepalives are the kernel's.
	const window, windows, asleep, limit = 10 * time.Second, 6, 2, 0.2
	var seen []string
	quiet := 0
	for range windows {
		a, b := waits(t, h.CPE.PID()), waits(t, h.Concentrator.PID())
		time.Sleep(window) // this is what is measured
		cpe, concentrator := (waits(t, h.CPE.PID())-a)/window.Seconds(), (waits(t, h.Concentrator.PID())-b)/window.Seconds()
		seen = append(seen, fmt.Sprintf("%.1f / %.1f", cpe, concentrator))
		if cpe <= limit && concentrator <= limit {
			quiet++
		}
		if quiet == asleep {
			break
		}
	}
	t.Logf("waits a second, router / concentrator: %s", strings.Join(seen, ", "))
	if quiet < asleep {
		t.Errorf("want %d times at most %.1f of each", asleep, limit)
	}
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
