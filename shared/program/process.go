package program

import (
	"fmt"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Process is a program that runs. It does without os.Process, which knows more
// ways to name a process than a router's program needs: 20 kB.
type Process struct {
	pid int

	mu    sync.Mutex
	ended bool // and waited for: another process may have the number
}

// Start starts the program at path. It gets args, of which the first is its
// name, and files as its descriptors 0, 1, 2, …; in a session of its own it
// outlives the terminal.
func Start(path string, args []string, session bool, files ...*os.File) (*Process, error) {
	attr := &syscall.ProcAttr{Env: os.Environ(), Sys: &syscall.SysProcAttr{Setsid: session}}
	for _, f := range files {
		attr.Files = append(attr.Files, f.Fd())
	}
	pid, err := syscall.ForkExec(path, args, attr)
	if err != nil {
		return nil, &os.PathError{Op: "start", Path: path, Err: err}
	}
	return &Process{pid: pid}, nil
}

// Kill ends the program, unless it has ended.
func (p *Process) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		_ = unix.Kill(p.pid, unix.SIGKILL)
	}
}

// Wait waits for the end of the program and returns how it ended.
func (p *Process) Wait() (Status, error) {
	for {
		// Its number stays its own until it is waited for without WNOWAIT.
		err := unix.Waitid(unix.P_PID, p.pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err == nil {
			break
		}
		if err != unix.EINTR {
			return 0, os.NewSyscallError("waitid", err)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	var s unix.WaitStatus
	_, err := unix.Wait4(p.pid, &s, unix.WNOHANG, nil)
	return Status(s), os.NewSyscallError("wait4", err)
}

// Status is how a program ended.
type Status unix.WaitStatus

// Code is the exit status, -1 after a signal.
func (s Status) Code() int { return unix.WaitStatus(s).ExitStatus() }

// String says it in words.
func (s Status) String() string {
	if w := unix.WaitStatus(s); w.Signaled() {
		return "signal: " + w.Signal().String()
	}
	return fmt.Sprintf("exit status %d", s.Code())
}
