package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	machine "tandem/lab/guest"
)

const done = "guest done"

// guest is process 1: it mounts, raises limits, measures and ends the machine.
func guest() {
	if err := measure(os.Args[1:]); err != nil {
		fmt.Println("guest failed:", err)
	} else {
		fmt.Println(done)
	}
	machine.Off()
}

// Where the guest finds what of the machine it needs below the folders it
// mounts over.
const (
	binaries = "/run/tandem-binaries"
	reports  = "/run/tandem-reports"
)

func measure(args []string) error {
	if len(args) < 6 { // the kernel adds some of its own
		return fmt.Errorf("arguments %q, want 6 and more", args)
	}
	if err := machine.Start(); err != nil {
		return err
	}
	if err := mountFolder(args[0], binaries, unix.MS_RDONLY); err != nil {
		return err
	}
	if err := mountFolder(args[1], reports, 0); err != nil {
		return err
	}
	if err := raise(); err != nil {
		return err
	}
	cmd := exec.Command(filepath.Join(binaries, "lab"), "bench", "--only", "large", "--binaries", binaries,
		"--report", filepath.Join(reports, args[2]), "--stay", args[3], "--most", args[4],
		"--host", "a user-mode guest on "+strings.ReplaceAll(args[5], "_", " "))
	cmd.Stdout, cmd.Stderr = clock{}, clock{}
	return cmd.Run()
}

// mountFolder shows a folder of the machine at another place.
func mountFolder(folder, at string, flags uintptr) error {
	if err := os.MkdirAll(at, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("none", at, "hostfs", flags, folder); err != nil {
		return fmt.Errorf("mount %s: %w", folder, err)
	}
	return nil
}

// raise sets the limit of open files, the only one that stands in the way.
func raise() error {
	const files = 1 << 20
	return unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: files, Max: files})
}

// clock prints lines after the time since the guest's start.
type clock struct{}

func (clock) Write(p []byte) (int, error) {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	for _, line := range strings.Split(strings.TrimRight(string(p), "\n"), "\n") {
		fmt.Printf("%8s %s\n", time.Duration(now.Nano()).Truncate(time.Second), line)
	}
	return len(p), nil
}
