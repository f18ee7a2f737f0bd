package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// cpu says of the daemon and of the plain relay how much processor time they have
// used, by themselves and in the kernel, and how often they have waited; then how
// long the machine has been up and how much of that it had nothing to do. Times
// are in seconds.
func cpu() string {
	uptime, _ := os.ReadFile("/proc/uptime")
	return used(daemon) + used(copier) + string(uptime)
}

func used(cmd *exec.Cmd) string {
	var user, system float64
	waits := 0
	if cmd != nil && cmd.Process != nil {
		folder := fmt.Sprintf("/proc/%d/", cmd.Process.Pid)
		text, _ := os.ReadFile(folder + "stat")
		_, rest, _ := strings.Cut(string(text), ") ") // the name may hold blanks
		if fields := strings.Fields(rest); len(fields) > 12 {
			fmt.Sscan(fields[11], &user)
			fmt.Sscan(fields[12], &system)
		}
		threads, _ := filepath.Glob(folder + "task/*/status")
		for _, thread := range threads {
			text, _ := os.ReadFile(thread)
			_, rest, _ := strings.Cut(string(text), "\nvoluntary_ctxt_switches:")
			n := 0
			fmt.Sscan(rest, &n)
			waits += n
		}
	}
	const userHZ = 100
	return fmt.Sprintf("%g %g %d ", user/userHZ, system/userHZ, waits)
}
