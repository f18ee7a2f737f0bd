package labnet

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// endProcesses ends the processes in the given namespaces, but not this one.
func endProcesses(namespaces []os.FileInfo) error {
	if len(namespaces) == 0 {
		return nil
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	var found []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() || !runsIn(pid, namespaces) {
			continue
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue // ended meanwhile
		}
		if !runsIn(pid, namespaces) { // the pid was reused before fd was opened
			unix.Close(fd)
			continue
		}
		found = append(found, fd)
	}
	return end(found)
}

func runsIn(pid int, namespaces []os.FileInfo) bool {
	st, err := os.Stat(fmt.Sprintf("/proc/%d/ns/net", pid))
	return err == nil && slices.ContainsFunc(namespaces, func(ns os.FileInfo) bool { return os.SameFile(st, ns) })
}

// end asks processes to end and makes those that do not. It takes over the
// pidfds and returns when all are gone.
func end(pidfds []int) error {
	var errs []error
	for _, fd := range pidfds {
		_ = unix.PidfdSendSignal(fd, unix.SIGTERM, nil, 0)
	}
	deadline := time.Now().Add(patience)
	for _, fd := range pidfds {
		if !ended(fd, time.Until(deadline)) {
			_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
			if !ended(fd, patience) {
				errs = append(errs, errors.New("a process of the lab cannot be killed"))
			}
		}
		errs = append(errs, unix.Close(fd))
	}
	return errors.Join(errs...)
}

// ended waits for a process to end.
func ended(pidfd int, within time.Duration) bool {
	deadline := time.Now().Add(within)
	for {
		ms := max(0, int(time.Until(deadline).Milliseconds()))
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, ms)
		if !errors.Is(err, syscall.EINTR) {
			return n > 0
		}
	}
}
