package labnet

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// runLinkProcess is the main function of the link process. It never returns.
func runLinkProcess() {
	listener, links, a, err := takeAssignment()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("ready")
	go func() {
		if a.Detached {
			return
		}
		var b [1]byte
		for { // until the owner is gone
			if _, err := os.Stdin.Read(b[:]); err != nil {
				os.Exit(0)
			}
		}
	}()
	fmt.Fprintln(os.Stderr, serve(listener, links))
	os.Exit(1)
}

// takeAssignment starts the links asked for on standard input.
func takeAssignment() (net.Listener, map[string]*emulated, assignment, error) {
	var a assignment
	if err := json.NewDecoder(os.Stdin).Decode(&a); err != nil {
		return nil, nil, a, err
	}
	// One processor each, so that no thread waits for another's.
	runtime.GOMAXPROCS(len(a.Links) + 2)
	preferProcess()
	links := map[string]*emulated{}
	for i, l := range a.Links {
		near, far := 3+2*i, 4+2*i
		for _, fd := range []int{near, far} {
			unix.CloseOnExec(fd)
			if err := unix.SetNonblock(fd, true); err != nil {
				return nil, nil, a, err
			}
		}
		e, err := startLink(near, far, l.Config)
		if err != nil {
			return nil, nil, a, fmt.Errorf("link %q: %w", l.Name, err)
		}
		links[l.Name] = e
	}
	listener, err := net.Listen("unix", socketPath(a.Lab))
	return listener, links, a, err
}

// preferProcess gives this process's threads, and those to come, a real-time
// priority: a line does not wait for the programs it connects. Where that is
// not allowed links are late when the machine is loaded, and say so in their
// counters.
func preferProcess() {
	tasks, _ := os.ReadDir("/proc/self/task")
	for _, t := range tasks {
		if tid, err := strconv.Atoi(t.Name()); err == nil {
			_ = unix.SchedSetAttr(tid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 10}, 0)
		}
	}
}
