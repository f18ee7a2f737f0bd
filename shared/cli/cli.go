// Package cli is the command line that both programs share: COMMAND [FLAGS],
// with one set of flags and the same exit statuses.
package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"tandem/shared/control"
)

// Exit statuses.
const (
	Done       = 0
	Failed     = 1
	Misused    = 2
	NotRunning = 3 // no daemon answers on the control socket
)

// Program is one command line.
type Program struct {
	Name    string
	Version string
	Usage   string                  // text of help
	Flags   func(*Flags)            // declares the flags, which all commands take
	Command map[string]func() error // by name; run after the flags are parsed
	// Operand says where the one operand goes that a command may have, before or
	// behind its flags. Commands that are not in it take none.
	Operand map[string]*string
}

// Run runs the command that args name and returns the exit status. Errors go
// to stderr with the program's name before them.
func (p Program) Run(args []string, stdout, stderr io.Writer) int {
	name := "help"
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	var flags Flags
	p.Flags(&flags)
	var operands []string
	for more := true; more; {
		rest, err := flags.Parse(args)
		if errors.Is(err, ErrHelp) {
			name = "help"
			break
		} else if err != nil {
			return p.misused(stderr, name, clip(err.Error()))
		}
		if more = len(rest) > 0; more {
			operands, args = append(operands, rest[0]), rest[1:]
		}
	}
	if to := p.Operand[name]; to != nil && len(operands) > 0 {
		*to, operands = operands[0], operands[1:]
	}
	if len(operands) > 0 && name != "help" {
		return p.misused(stderr, name, fmt.Sprintf("unexpected argument %q", clip(operands[0])))
	}
	switch name {
	case "help", "--help", "-help", "-h":
		fmt.Fprint(stdout, p.Usage)
		return Done
	case "version", "--version":
		fmt.Fprintln(stdout, p.Name, p.Version)
		return Done
	}
	run := p.Command[name]
	if run == nil {
		fmt.Fprintf(stderr, "%s: unknown command %q\n\n%s", p.Name, name, p.Usage)
		return Misused
	}
	err := run()
	if err == nil {
		return Done
	}
	fmt.Fprintf(stderr, "%s: %v\n", p.Name, err)
	if errors.Is(err, control.ErrNotRunning) {
		return NotRunning
	}
	return Failed
}

// clip keeps most of a mistaken argument to itself: it may be a secret that was
// given to the wrong command.
func clip(s string) string {
	const most = 60
	if i := strings.Index(s, "://"); i >= 0 && i+3 < len(s) {
		return s[:i+3] + "..."
	}
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}

func (p Program) misused(stderr io.Writer, command, why string) int {
	fmt.Fprintf(stderr, "%s %s: %s; see %s help\n", p.Name, command, why, p.Name)
	return Misused
}
