package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// state is memory, sockets and counters of the kernel, and where the daemon's
// threads are.
func state() string {
	var b strings.Builder
	paths := []string{"/proc/uptime", "/proc/loadavg", "/proc/meminfo", "/proc/sys/net/ipv4/tcp_mem", "/proc/net/sockstat",
		"/proc/net/softnet_stat", "/proc/interrupts", "/proc/softirqs", "/proc/net/dev", "/proc/net/tcp", "/proc/net/snmp", "/proc/net/netstat"}
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", daemon.Process.Pid))
	for _, t := range threads {
		paths = append(paths, t+"/stat", t+"/wchan", t+"/syscall", t+"/stack")
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			text = []byte(err.Error())
		}
		fmt.Fprintf(&b, "== %s\n%s\n", path, strings.TrimSpace(string(text)))
	}
	return b.String()
}
