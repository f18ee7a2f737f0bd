// Command tandem-concentrator is the far end of Tandem: it takes Multipath TCP
// connections from routers that run tandem-cpe and carries each on by plain
// TCP to the server that its first bytes name (RFC 8803).
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/tandem-mptcp/tandem/concentrator/config"
	"github.com/tandem-mptcp/tandem/shared/control"
)

// version is set by the linker.
var version = "development"

const usage = `tandem-concentrator: the VM's end of the Tandem Multipath TCP proxy

usage: tandem-concentrator COMMAND [FLAGS]

commands
  run        serve until SIGTERM, which drains; SIGHUP reloads the configuration
  validate   check the configuration and say file, line and reason of an error
  status     ask the running daemon how it is
  version    print the version

flags
  --config FILE    configuration (default ` + config.DefaultPath + `)
  --control PATH   status: control socket (default: what the configuration says)
  --json           status: print JSON

exit status: 0 done, 1 failed, 2 wrong usage, 3 daemon not running
`

func main() { os.Exit(command(os.Args[1:], os.Stdout, os.Stderr)) }

type options struct {
	configFile  string
	controlPath string
	json        bool
}

func command(args []string, stdout, stderr io.Writer) int {
	name := "help"
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	var o options
	fs.StringVar(&o.configFile, "config", config.DefaultPath, "")
	fs.StringVar(&o.controlPath, "control", "", "")
	fs.BoolVar(&o.json, "json", false, "")
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		name = "help"
	} else if err != nil {
		fmt.Fprintf(stderr, "tandem-concentrator %s: %v; see tandem-concentrator help\n", name, err)
		return 2
	} else if fs.NArg() > 0 {
		fmt.Fprintf(stderr, "tandem-concentrator %s: unexpected argument %q; see tandem-concentrator help\n", name, fs.Arg(0))
		return 2
	}
	var err error
	switch name {
	case "help", "--help", "-h":
		fmt.Fprint(stdout, usage)
	case "version", "--version":
		fmt.Fprintln(stdout, "tandem-concentrator", version)
	case "run":
		err = run(o, stderr)
	case "validate":
		err = validate(o, stdout)
	case "status":
		err = status(o, stdout)
	default:
		fmt.Fprintf(stderr, "tandem-concentrator: unknown command %q\n\n%s", name, usage)
		return 2
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, control.ErrNotRunning):
		fmt.Fprintln(stderr, "tandem-concentrator:", err)
		return 3
	}
	fmt.Fprintln(stderr, "tandem-concentrator:", err)
	return 1
}

func validate(o options, stdout io.Writer) error {
	cfg, err := config.Load(o.configFile)
	if err != nil {
		return err
	}
	for _, w := range cfg.Warnings {
		fmt.Fprintln(stdout, "warning:", w)
	}
	fmt.Fprintf(stdout, "configuration is valid: %d listeners, %d clients\n", len(cfg.Listen), len(cfg.Clients))
	return nil
}

// control returns the path of the control socket.
func (o options) control() (string, error) {
	if o.controlPath != "" {
		return o.controlPath, nil
	}
	cfg, err := config.Load(o.configFile)
	if err != nil {
		return "", err
	}
	return cfg.Control, nil
}
