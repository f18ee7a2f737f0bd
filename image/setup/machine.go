package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// machine is the host that is being set up. The zero value is the real one.
type machine struct {
	root string // in front of every path
	// run is how programs are run; nil: exec. It returns what they print.
	run func(name string, args ...string) (string, error)
	// consoles are what to show people something on; nil: the kernel's.
	consoles []string
}

func (m *machine) at(path string) string { return filepath.Join(m.root, path) }

func (m *machine) command(name string, args ...string) (string, error) {
	if m.run != nil {
		return m.run(name, args...)
	}
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil && len(out) == 0 {
		out = []byte(err.Error())
	}
	return string(out), err
}

// must is command for those whose failure is an error with what they printed.
func (m *machine) must(name string, args ...string) error {
	if out, err := m.command(name, args...); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(out))
	}
	return nil
}

// say prints lines on all consoles; the journal has what goes to stdout.
func (m *machine) say(lines ...string) {
	text := strings.Join(lines, "\n") + "\n"
	fmt.Print(text)
	m.onConsoles(func(c *os.File) error {
		_, err := c.WriteString(strings.ReplaceAll("\n"+text, "\n", "\r\n"))
		return err
	})
}

// onConsoles calls f with each console that can be opened.
func (m *machine) onConsoles(f func(*os.File) error) {
	names := m.consoles
	if names == nil {
		text, _ := os.ReadFile("/sys/class/tty/console/active")
		for _, n := range strings.Fields(string(text)) {
			names = append(names, "/dev/"+n)
		}
	}
	for _, name := range names {
		c, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			continue
		}
		if err := f(c); err != nil && !errors.Is(err, os.ErrClosed) {
			fmt.Fprintln(os.Stderr, "setup:", name, err)
		}
		c.Close()
	}
}
