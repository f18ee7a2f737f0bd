// Command tandem-cpe runs on the router of a household with several access
// lines. It takes over the TCP connections of LAN hosts and carries each by
// Multipath TCP to a tandem-concentrator.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"tandem/cpe/config"
	"tandem/cpe/keys"
	"tandem/cpe/ruleset"
	"tandem/shared/cli"
	"tandem/shared/control"
	"tandem/shared/credential"
	"tandem/shared/nocmp"
)

// version is set by the linker.
var version = "development"

const usage = `tandem-cpe: the router's end of the Tandem Multipath TCP proxy

usage: tandem-cpe COMMAND [FLAGS]

commands
  join       pair with a concentrator: asks for the tandem:// line that its command
             "client add" printed, or reads it from standard input. "join LINE"
             works too, but the process list shows the line, which is a secret
  run        serve until SIGTERM; SIGHUP reloads the configuration
  validate   check the configuration and say file, line and reason of an error
  status     ask the running daemon how it and the lines are
  flows      list the connections it carries, with their subflows
  watch      the same, renewed every second until interrupted
  check      try each line against the concentrator and say in plain words what
             the operator's network does to it; 1 if a line cannot be bonded
  report     write an archive for a bug report, without keys: configuration, state,
             log, rules, counters. "report FILE" names it, - is standard output
  schema     print what the configuration may hold, as JSON, for programs
  rpcd       answer the LuCI pages, as rpcd calls its plugins: list, or call METHOD
  version    print the version

flags
  --config DIR     folder of the UCI file "tandem" (default /etc/config)
  --keys DIR       folder of the key files (default /etc/tandem/keys)
  --state DIR      run: folder where it keeps what lines have used of their quotas
                   (default /etc/tandem/state)
  --control PATH   control socket (default: what the configuration says)
  --name NAME      join: the section to write (default: the concentrator's, or a new one)
  --kernel         validate: also whether the kernel has what the rules need
  --check          join: say what it would do, and do nothing
  --json           status, flows, check, join: print JSON

exit status: 0 done, 1 failed, 2 wrong usage, 3 daemon not running
`

func main() { os.Exit(command(os.Args[1:], os.Stdout, os.Stderr)) }

type options struct {
	_           nocmp.Field
	configDir   string
	keysDir     string
	controlPath string
	stateDir    string
	json        bool
	name        string
	check       bool
	kernel      bool
}

func command(args []string, stdout, stderr io.Writer) int {
	var o options
	if len(args) > 0 && args[0] == "rpcd" {
		return rpcd(args[1:], os.Stdin, stdout, stderr)
	}
	line, archive := "-", ""
	return cli.Program{
		Name: "tandem-cpe", Version: version, Usage: usage,
		Flags: func(f *cli.Flags) {
			o.folders(f)
			f.Switch("json", &o.json)
			f.String("name", &o.name)
			f.Switch("check", &o.check)
			f.Switch("kernel", &o.kernel)
		},
		Command: map[string]func() error{
			"join":     func() error { return join(o, line, os.Stdin, stdout) },
			"run":      func() error { return run(o, stderr) },
			"validate": func() error { return validate(o, stdout) },
			"status":   func() error { return status(o, stdout) },
			"flows":    func() error { return listFlows(o, stdout) },
			"check":    func() error { return checkLines(o, stdout) },
			"report":   func() error { return bugReport(o, archive, stdout) },
			"watch":    func() error { return watch(o, stdout) },
			"schema":   func() error { return control.PrintJSON(stdout, config.Describe()) },
		},
		Operand: map[string]*string{"join": &line, "report": &archive},
	}.Run(args, stdout, stderr)
}

// folders declares the flags that say where things are.
func (o *options) folders(f *cli.Flags) {
	o.configDir, o.keysDir, o.stateDir = config.DefaultDir, string(keys.DefaultFolder), "/etc/tandem/state"
	f.String("config", &o.configDir)
	f.String("keys", &o.keysDir)
	f.String("state", &o.stateDir)
	f.String("control", &o.controlPath)
}

// load reads the configuration and the keys that it names.
func (o options) load() (*config.Config, map[credential.KeyID]credential.Key, error) {
	cfg, err := config.Load(o.configDir)
	if err != nil {
		return nil, nil, err
	}
	secrets, err := keys.Folder(o.keysDir).LoadAll(cfg.Keys())
	return cfg, secrets, err
}

func validate(o options, stdout io.Writer) error {
	cfg, _, err := o.load()
	if err != nil {
		return err
	}
	if o.kernel {
		if err := (ruleset.NFT{}).Possible(context.Background()); err != nil {
			return err
		}
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
