package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	labnet "tandem/lab/net"
)

// newFlags returns the flags of a command, with --name, which all share.
func newFlags(command string) (fs *flag.FlagSet, name *string) {
	fs = flag.NewFlagSet("lab "+command, flag.ContinueOnError)
	fs.SetOutput(io.Discard) // main reports errors
	return fs, fs.String("name", labnet.DefaultName, "the lab's `name`: tandem or tandem-…")
}

// parse parses flags, or lists them if asked for help.
func parse(fs *flag.FlagSet, args []string) error {
	err := fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Printf("flags of %s:\n", fs.Name())
		fs.SetOutput(os.Stdout)
		fs.PrintDefaults()
	}
	return err
}

// parseOnly parses flags of a command that takes no other arguments.
func parseOnly(fs *flag.FlagSet, args []string) error {
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	return nil
}

// pair splits "A/B", for down/up, or gives both "A".
func pair(s string) (down, up string) {
	if d, u, ok := strings.Cut(s, "/"); ok {
		return d, u
	}
	return s, s
}
