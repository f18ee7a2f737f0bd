// Command kernel shows what Linux does with MPTCP that shaped Tandem, each
// point by the smallest program that shows it: docs/kernel-notes.md tells the
// reasoning. It builds its own network of namespaces (root), so it says what
// the kernel it runs on does:
//
//	go run ./lab/kernel            all experiments
//	go run ./lab/kernel overrun    one of them
//	make test-kernels              the same in guests with other kernels
//
// As process 1 of such a guest it also brings the guest up and down (init.go).
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	labnet "tandem/lab/net"
)

// experiment is one of them. It prints what it found; an error means that it
// could not be made.
type experiment struct {
	name, about string
	run         func(ctx context.Context, b *bench) error
}

func experiments() []experiment {
	return []experiment{
		{"stall", "an answer written before the third ACK of a handshake with SYN data", stall},
		{"overrun", "bulk over two subflows after SYN data", overrun},
		{"recipe", "the same as Tandem does it, beside no SYN data", recipe},
		{"halves", "a handshake whose third ACK is lost, with more to say behind it", halves},
		{"lockup", "out-of-order data fills the receive buffer", lockup},
	}
}

// options are those of the command line.
type options struct {
	bytes  int64
	rounds int
	rate   int64 // of each line, bit/s
	delay  time.Duration
}

func main() {
	if os.Getpid() == 1 {
		guest()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	if err := command(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "kernel:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == "boot" {
		return boot(ctx, args[1:])
	}
	var o options
	fs := flag.NewFlagSet("kernel", flag.ContinueOnError)
	fs.Int64Var(&o.bytes, "bytes", 100e6, "length of the bulk transfers")
	fs.IntVar(&o.rounds, "rounds", 3, "how often each is repeated, interleaved")
	fs.Int64Var(&o.rate, "rate", 50e6, "of each of the two lines, bit/s")
	fs.DurationVar(&o.delay, "delay", 30*time.Millisecond, "of each line, one way")
	if err := fs.Parse(args); err != nil {
		return err
	}
	all := experiments()
	for _, name := range fs.Args() {
		if !slices.ContainsFunc(all, func(e experiment) bool { return e.name == name }) {
			return fmt.Errorf("no experiment %q", name)
		}
	}
	fmt.Printf("kernel %s, two lines of %d Mbit/s, %s one way\n", release(), o.rate/1e6, o.delay)
	for _, e := range all {
		if fs.NArg() > 0 && !slices.Contains(fs.Args(), e.name) {
			continue
		}
		fmt.Printf("\n%s: %s\n", strings.ToUpper(e.name), e.about)
		if err := alone(ctx, o, e); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
	}
	return nil
}

// alone makes one experiment in a network of its own.
func alone(ctx context.Context, o options, e experiment) error {
	link := labnet.Symmetric(o.rate, o.rate, o.delay)
	lab, err := labnet.Up(labnet.Spec{WANs: []labnet.WAN{{Name: "dsl", Link: link}, {Name: "lte", Link: link}}})
	if err != nil {
		return err
	}
	defer lab.Down()
	b, err := newBench(lab, o)
	if err != nil {
		return err
	}
	return e.run(ctx, b)
}

func release() string {
	var u unix.Utsname
	_ = unix.Uname(&u)
	return unix.ByteSliceToString(u.Release[:])
}
