package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	labnet "tandem/lab/net"
)

func down(ctx context.Context, args []string) error {
	fs, name := newFlags("down")
	all := fs.Bool("all", false, "remove every lab, but those of running tests")
	if err := parseOnly(fs, args); err != nil {
		return err
	}
	if !*all {
		return labnet.Remove(*name)
	}
	names, err := labnet.Names()
	if err != nil {
		return err
	}
	var errs []error
	for _, n := range names {
		pid, persistent, err := labnet.Owner(n)
		if err == nil && pid != 0 && !persistent {
			fmt.Fprintf(os.Stderr, "lab: %q belongs to running process %d: left alone\n", n, pid)
			continue
		}
		errs = append(errs, err, labnet.Remove(n))
	}
	return errors.Join(errs...)
}
