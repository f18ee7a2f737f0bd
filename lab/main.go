// Command lab builds and runs the dual-WAN test network of package labnet:
//
//	lan ──── cpe ══ dsl, lte ══ core ──── net
//
// It is described in docs/lab.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"golang.org/x/sys/unix"
)

// command is one subcommand; each has a file of its own.
type command struct {
	name  string
	args  string // as shown by help
	short string
	run   func(ctx context.Context, args []string) error
}

func commands() []command {
	return []command{
		{"up", "[FLAGS]", "raise a lab", up},
		{"down", "[--name LAB | --all]", "remove a lab, also what a crash left of it", down},
		{"exec", "[--name LAB] HOST -- CMD…", "run a command on lan, cpe, core or net", execute},
		{"link", "[--name LAB] LINK FLAGS", "change a link while it runs", link},
		{"demo", "[--keep] [--json FILE]", "run Tandem's main job and show what it gains", demo},
		{"bench", "[--only SECTIONS] [--json FILE]", "measure, and write down what was found", benchmark},
		{"status", "[--name LAB] [--json]", "show hosts, links and counters", status},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	default:
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		fmt.Print(help())
		return nil
	}
	for _, c := range append(commands(), command{name: "servers", run: serveForever}) {
		if c.name == args[0] {
			return c.run(ctx, args[1:])
		}
	}
	return fmt.Errorf("unknown command %q; see lab help", args[0])
}

func help() string {
	var b strings.Builder
	b.WriteString("usage: lab COMMAND\n\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "  %-40s %s\n", c.name+" "+c.args, c.short)
	}
	b.WriteString("\n\"lab COMMAND --help\" lists its flags. Needs root, iproute2 and nftables.\n")
	return b.String()
}
