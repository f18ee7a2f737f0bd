package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
	"tandem/shared/cli"
	"tandem/shared/nocmp"
	"tandem/shared/program"
)

// A check takes longer than rpcd waits, so the page starts it and then asks for
// its progress. It runs as a process of its own, "tandem-cpe rpcd checking",
// which holds a lock while it works.
const checking = "checking"

// maxProgress bounds what is shown of a check's output.
const maxProgress = 256 << 10

// checkDir holds the lock, the output and at the end the exit status.
func (o options) checkDir() string { return filepath.Join(filepath.Dir(o.control()), "tandem-check") }

func (o options) checkFile(name string) string { return filepath.Join(o.checkDir(), name) }

// startCheck returns when the check has begun. One that runs already is good.
func (o options) startCheck() error {
	if err := os.MkdirAll(o.checkDir(), 0o700); err != nil {
		return err
	}
	lock, err := o.lockCheck()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	output, err := os.OpenFile(o.checkFile("output"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer output.Close()
	if err := os.Remove(o.checkFile("exit")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	nothing, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer nothing.Close()
	_, err = program.Start(self, append([]string{self, "rpcd", checking}, o.flags()...), true,
		nothing, output, output, lock) // the lock goes on with it
	if err != nil {
		return fmt.Errorf("start the check: %w", err)
	}
	return nil
}

func (o options) flags() []string {
	return []string{"--config", o.configDir, "--keys", o.keysDir, "--control", o.control()}
}

func (o options) lockCheck() (*os.File, error) {
	f, err := os.OpenFile(o.checkFile("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// runCheck is the process of its own. Its descriptor 3 holds the lock.
func (o options) runCheck() int {
	self, err := os.Executable()
	if err != nil {
		return cli.Failed
	}
	p, err := program.Start(self, append([]string{self, "check", "--json"}, o.flags()...), false, os.Stdin, os.Stdout, os.Stderr)
	if err != nil {
		return cli.Failed
	}
	status, err := p.Wait()
	if err != nil {
		return cli.Failed
	}
	if err := os.WriteFile(o.checkFile("exit"), []byte(strconv.Itoa(status.Code())), 0o600); err != nil {
		return cli.Failed
	}
	return cli.Done
}

// checkProgress is what a check has printed so far.
type checkProgress struct {
	_       nocmp.Field
	Running bool   `json:"running"`
	Output  string `json:"output"`
	Exit    *int   `json:"exit,omitempty"`
}

func (o options) progress() (p checkProgress, err error) {
	f, err := os.Open(o.checkFile("output"))
	if errors.Is(err, os.ErrNotExist) {
		return p, nil // none was ever started
	}
	if err != nil {
		return p, err
	}
	defer f.Close()
	lock, err := o.lockCheck()
	switch {
	case err == nil:
		lock.Close()
	case errors.Is(err, unix.EWOULDBLOCK):
		p.Running = true
	default:
		return p, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxProgress))
	p.Output = string(text)
	if status, err := os.ReadFile(o.checkFile("exit")); err == nil {
		if n, err := strconv.Atoi(strings.TrimSpace(string(status))); err == nil {
			p.Exit = &n
		}
	}
	return p, err
}
