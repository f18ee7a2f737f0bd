package bench

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// ticks is how many clock ticks /proc counts a second (USER_HZ, the same on
// every Linux that Go runs on).
const ticks = 100

// cpuSeconds is the processor time a process has used, its kernel's part
// included.
func cpuSeconds(pid int) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(text), ") ") // the name may hold blanks
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	var user, system float64
	fmt.Sscan(fields[11], &user)
	fmt.Sscan(fields[12], &system)
	return (user + system) / ticks
}

// rss is resident memory in kB.
func rss(pid int) (kb int) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for _, line := range strings.Split(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			fmt.Sscan(rest, &kb)
		}
	}
	return kb
}

// descriptors is how many a process has open.
func descriptors(pid int) int {
	entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(entries)
}

func median(v []float64) float64 { return percentile(v, 50) }

// percentile interpolates between the two values next to it.
func percentile(v []float64, p float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	at := p / 100 * float64(len(v)-1)
	i := int(at)
	if i+1 == len(v) {
		return v[i]
	}
	return v[i] + (at-float64(i))*(v[i+1]-v[i])
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }
