// Command tandem-concentrator is the far end of Tandem: it takes Multipath TCP
// connections from routers that run tandem-cpe and carries each on by plain
// TCP to the server that its first bytes name (RFC 8803).
package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"tandem/concentrator/config"
	"tandem/shared/cli"
)

// version is set by the linker.
var version = "development"

const usage = `tandem-concentrator: the VM's end of the Tandem Multipath TCP proxy

usage: tandem-concentrator COMMAND [FLAGS]

commands
  run        serve until SIGTERM, which drains; SIGHUP reloads the configuration
  validate   check the configuration (or: validate FILE, --validate FILE) and say
             file, line and reason of an error
  status     ask the running daemon how it is
  clients    what each client has open and has moved; top: the same, live
  drain      refuse new connections and wait until none is open; undrain ends it
  handover   put the program that is installed now in the place of the running one:
             it takes the connections that come, those there are go on
  who        ADDRESS:PORT [--at TIME] < LOG: which client had it (RFC 6888)
  backup     write configuration and clients, keys included, to standard output
  restore    read them back from standard input
  client     add, list, show, set, disable, enable, rotate or remove clients; see
             tandem-concentrator client help
  cleanup    remove rules that a crashed daemon has left (root)
  version    print the version

flags
  --config FILE    configuration (default ` + config.DefaultPath + `)
  --control PATH   control socket (default: what the configuration says)
  --json           status, clients, drain: print JSON
  --at TIME        who: such as 2026-11-24T12:00:00Z (default: now)

exit status: 0 done, 1 failed, 2 wrong usage, 3 daemon not running
`

func main() { os.Exit(command(os.Args[1:], os.Stdout, os.Stderr)) }

type options struct {
	configFile  string
	controlPath string
	json        bool
	external    string // of who
	at          string
}

func command(args []string, stdout, stderr io.Writer) int {
	var o options
	if len(args) > 0 && args[0] == "client" {
		o.configFile = config.DefaultPath
		return clientCommand(o, o.take(args[1:]), stdout, stderr)
	}
	return cli.Program{
		Name: "tandem-concentrator", Version: version, Usage: usage,
		Flags: func(f *cli.Flags) {
			o.configFile = config.DefaultPath
			f.String("config", &o.configFile)
			f.String("control", &o.controlPath)
			f.Switch("json", &o.json)
			f.String("at", &o.at)
		},
		Operand: map[string]*string{"validate": &o.configFile, "--validate": &o.configFile, "who": &o.external},
		Command: map[string]func() error{
			"run":        func() error { return run(o, stderr) },
			"validate":   func() error { return validate(o, stdout) },
			"--validate": func() error { return validate(o, stdout) },
			"status":     func() error { return status(o, stdout) },
			"clients":    func() error { return showClients(o, stdout) },
			"top":        func() error { return top(o, stdout) },
			"drain":      func() error { return drain(o, stdout) },
			"undrain":    func() error { return undrain(o, stdout) },
			"handover":   func() error { return handOver(o, stdout) },
			"who":        func() error { return whoHad(o, os.Stdin, stdout) },
			"cleanup":    cleanupAll,
			"backup":     func() error { return backup(o, stdout) },
			"restore":    func() error { return restore(o, os.Stdin, stdout) },
		},
	}.Run(args, stdout, stderr)
}

// take reads --config and --control wherever they stand, and returns what else
// there is.
func (o *options) take(args []string) (rest []string) {
	for i := 0; i < len(args); i++ {
		name, value, given := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(args[i], "-"), "-"), "=")
		dst := map[string]*string{"config": &o.configFile, "control": &o.controlPath}[name]
		switch {
		case dst == nil || !strings.HasPrefix(args[i], "-") || !given && i+1 == len(args):
			rest = append(rest, args[i])
			continue
		case !given:
			i++
			value = args[i]
		}
		*dst = value
	}
	return rest
}

func validate(o options, stdout io.Writer) error {
	cfg, err := config.Load(o.configFile)
	if err != nil {
		return err
	}
	for _, w := range cfg.Warnings {
		fmt.Fprintln(stdout, "warning:", w)
	}
	fmt.Fprintf(stdout, "configuration is valid: %d listeners, %d clients in this file\n", len(cfg.Listen), len(cfg.Clients))
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
