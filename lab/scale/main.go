// Command scale measures a concentrator with 100,000 connections, for which a
// process of many machines cannot have enough descriptors. So it runs the
// section "large" of the benchmark in a guest, where it sets limits itself: a
// user-mode Linux kernel, which needs no virtual machine and is much faster
// than an emulated one. The guest sees this machine's files, read only, and
// writes its figures into the folder of the report.
//
//	scale [--cache DIR] [--memory SIZE] [--stay D] [--most N] [--time D] BINARIES REPORT
//
// Reading order: here (the machine's side), guest.go (process 1 of the guest),
// build-kernel (where the kernel comes from), ../bench/large.go (what is
// measured).
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"tandem/lab/bench"
)

func main() {
	if os.Getpid() == 1 {
		guest()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	home, _ := os.UserCacheDir()
	cache := flag.String("cache", filepath.Join(home, "tandem-scale"), "where build-kernel has put the kernel")
	memory := flag.String("memory", "12G", "what the guest may use of this machine's")
	stay := flag.Duration("stay", 10*time.Minute, "how long it stays with all connections")
	most := flag.Int("most", 100_000, "how many connections: steps beyond are left out")
	limit := flag.Duration("time", time.Hour, "most that the guest may take")
	flag.Parse()
	if flag.NArg() != 2 {
		return errors.New("name the folder of lab and daemons, and the report")
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	binaries, err := filepath.Abs(flag.Arg(0))
	if err != nil {
		return err
	}
	report, err := filepath.Abs(flag.Arg(1))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	// What follows "--" reaches the guest's process 1, unspaced.
	host := strings.ReplaceAll(bench.Machine()+", load average "+bench.LoadAverage(), " ", "_")
	cmd := exec.CommandContext(ctx, filepath.Join(*cache, "linux"),
		"mem="+*memory, "seccomp=on", "rootfstype=hostfs", "rootflags=/", "ro", "init="+self,
		"con=null", "con0=null,fd:1", "ssl=null", "quiet", "panic=-1",
		"--", binaries, filepath.Dir(report), filepath.Base(report), stay.String(), fmt.Sprint(*most), host)
	// A group of its own: the guest's processes are processes here.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var out bytes.Buffer
	cmd.Stdout = tee{&out}
	cmd.Stderr = os.Stderr
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("guest: %w", ctx.Err())
	case !strings.Contains(out.String(), done):
		return fmt.Errorf("the guest did not finish: %v", err)
	}
	return nil
}

type tee struct{ keep *bytes.Buffer }

func (t tee) Write(p []byte) (int, error) {
	t.keep.Write(p)
	return os.Stdout.Write(p)
}
