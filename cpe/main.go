// Command tandem-cpe runs on the router of a household with several access
// lines. It takes over the TCP connections of LAN hosts and carries each by
// Multipath TCP to a tandem-concentrator.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/tandem-mptcp/tandem/cpe/config"
	"github.com/tandem-mptcp/tandem/shared/control"
)

// version is set by the linker.
var version = "development"

const usage = `tandem-cpe: the router's end of the Tandem Multipath TCP proxy

usage: tandem-cpe COMMAND [FLAGS]

commands
  run        serve until SIGTERM; SIGHUP reloads the configuration
  validate   check the configuration and say file, line and reason of an error
  status     ask the running daemon how it is
  version    print the version

flags
  --config DIR     folder of the UCI file "tandem" (default /etc/config)
  --control PATH   control socket (default: what the configuration says)
  --json           status: print JSON

exit status: 0 done, 1 failed, 2 wrong usage, 3 daemon not running
`

func main() { os.Exit(command(os.Args[1:], os.Stdout, os.Stderr)) }

func command(args []string, stdout, stderr io.Writer) int {
	name := "help"
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	var o options
	fs.StringVar(&o.configDir, "config", "/etc/config", "")
	fs.StringVar(&o.controlPath, "control", "", "")
	fs.BoolVar(&o.json, "json", false, "")
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		name = "help"
	} else if err != nil {
		fmt.Fprintf(stderr, "tandem-cpe %s: %v; see tandem-cpe help\n", name, err)
		return 2
	} else if fs.NArg() > 0 {
		fmt.Fprintf(stderr, "tandem-cpe %s: unexpected argument %q; see tandem-cpe help\n", name, fs.Arg(0))
		return 2
	}
	var err error
	switch name {
	case "help", "--help", "-h":
		fmt.Fprint(stdout, usage)
	case "version", "--version":
		fmt.Fprintln(stdout, "tandem-cpe", version)
	case "run":
		err = run(o, stderr)
	case "validate":
		err = validate(o, stdout)
	case "status":
		err = status(o, stdout)
	default:
		fmt.Fprintf(stderr, "tandem-cpe: unknown command %q\n\n%s", name, usage)
		return 2
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, control.ErrNotRunning):
		fmt.Fprintln(stderr, "tandem-cpe:", err)
		return 3
	}
	fmt.Fprintln(stderr, "tandem-cpe:", err)
	return 1
}

type options struct {
	configDir   string
	controlPath string
	json        bool
}

func validate(o options, stdout io.Writer) error {
	cfg, err := config.Load(o.configDir)
	if err != nil {
		return err
	}
	state := "valid"
	if !cfg.Enabled {
		state = "valid, but disabled (option enabled '0' in section tandem)"
	}
	fmt.Fprintf(stdout, "configuration is %s: %d concentrators, %d lines\n", state, len(cfg.Concentrators), len(cfg.WANs))
	return nil
}

// control returns the path of the control socket: the flag's, else the
// configuration's, else the default's.
func (o options) control() string {
	if o.controlPath != "" {
		return o.controlPath
	}
	if cfg, err := config.Load(o.configDir); err == nil {
		return cfg.Control
	}
	return config.Default().Control
}
