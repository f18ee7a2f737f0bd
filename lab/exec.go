package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"

	labnet "tandem/lab/net"
)

// execute replaces this process by the command, so that exit status, signals
// and terminal are the command's own.
func execute(ctx context.Context, args []string) error {
	fs, name := newFlags("exec")
	if err := parse(fs, args); err != nil {
		return err
	}
	args = fs.Args()
	if len(args) < 3 || args[1] != "--" {
		return errors.New("usage: lab exec [--name LAB] HOST -- CMD…")
	}
	lab, err := labnet.Attach(*name)
	if err != nil {
		return err
	}
	host, err := lab.FindHost(args[0])
	if err != nil {
		return err
	}
	if _, err := exec.LookPath(args[2]); err != nil {
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
			os.Stderr.WriteString("lab: " + err.Error() + "\n")
			os.Exit(127) // as a shell does
		}
		return err
	}
	cmd := host.Command(ctx, args[2], args[3:]...)
	if cmd.Err != nil {
		return cmd.Err
	}
	return syscall.Exec(cmd.Path, cmd.Args, os.Environ())
}
