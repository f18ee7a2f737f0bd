package labnet

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Links run in a process of their own: this same program, started again. In
// the process of a test they would be late by up to tens of milliseconds
// whenever its goroutines keep the processors busy (measured), since a thread
// that wakes up needs the Go scheduler first.

// linkProcessEnv marks a start of the program as the link process.
const linkProcessEnv = "TANDEM_LAB_LINKS"

// An init, and not a call in each main and TestMain: a test that forgot it
// would start itself again and again.
func init() {
	if os.Getenv(linkProcessEnv) != "" {
		runLinkProcess()
	}
}

// assignment tells the link process what to do, as JSON on its standard input.
type assignment struct {
	Lab   string
	Links []assignedLink // descriptors from 3 on: near and far TUN of each
	// Detached: the process lives until it is ended. Else it ends with its
	// standard input, so with the process that started it.
	Detached bool
}

type assignedLink struct {
	Name   string
	Config LinkConfig
}

// linkProcess is the owner's view of the process.
type linkProcess struct {
	cmd   *exec.Cmd
	stdin io.Closer
}

// startLinkProcess starts the process and returns when its links run and its
// control socket listens. tuns are its descriptors, in order. A detached one
// inherits the lab's lock.
func startLinkProcess(a assignment, tuns []*os.File, c *claim) (*linkProcess, error) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args[0] = "tandem-lab-links"
	cmd.Env = append(os.Environ(), linkProcessEnv+"=1")
	cmd.ExtraFiles = tuns
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // the terminal's ^C is not for it
	if a.Detached {
		cmd.ExtraFiles = append(cmd.ExtraFiles, c.lock)
		log, err := os.Create(filepath.Join(runDir(a.Lab), "link.log"))
		if err != nil {
			return nil, err
		}
		defer log.Close()
		cmd.Stderr = log
	} else {
		cmd.Stderr = os.Stderr
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &linkProcess{cmd: cmd, stdin: in}
	err = json.NewEncoder(in).Encode(a)
	answer, _ := bufio.NewReader(out).ReadString('\n')
	if answer = strings.TrimSpace(answer); err == nil && answer != "ready" {
		err = fmt.Errorf("link process: %q", answer)
	}
	if err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

// stop ends the process and waits for it; its TUN devices go with it.
func (p *linkProcess) stop() error {
	_ = p.stdin.Close()
	_ = p.cmd.Process.Kill() // it has nothing to tidy up
	var exit *exec.ExitError
	if err := p.cmd.Wait(); !errors.As(err, &exit) {
		return err
	}
	return nil
}
