// Package cli is the command line that both programs share: COMMAND [FLAGS],
// with one set of flags and the same exit statuses.
package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/tandem-mptcp/tandem/shared/control"
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
	Flags   func(*flag.FlagSet)     // declares the flags, which all commands take
	Command map[string]func() error // by name; run after the flags are parsed
}

// Run runs the command that args name and returns the exit status. Errors go
// to stderr with the program's name before them.
func (p Program) Run(args []string, stdout, stderr io.Writer) int {
	name := "help"
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	p.Flags(fs)
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		name = "help"
	} else if err != nil {
		return p.misused(stderr, name, err.Error())
	} else if fs.NArg() > 0 {
		return p.misused(stderr, name, fmt.Sprintf("unexpected argument %q", fs.Arg(0)))
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

func (p Program) misused(stderr io.Writer, command, why string) int {
	fmt.Fprintf(stderr, "%s %s: %s; see %s help\n", p.Name, command, why, p.Name)
	return Misused
}
