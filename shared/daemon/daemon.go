// Package daemon runs the long-lived parts of a process together: it starts
// them, passes signals on and stops them in one place.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"

	"golang.org/x/sys/unix"
)

// Task is one long-lived part. Run returns nil when ctx has ended and
// everything it started has ended too; an error stops the whole process.
type Task struct {
	Name string
	Run  func(ctx context.Context) error
}

// ErrTerminated is the cause of the context given to tasks once SIGTERM or
// SIGINT came.
var ErrTerminated = errors.New("asked to stop")

// Serve runs all tasks until one fails or ctx ends, and waits for all of them.
// It returns the first failure.
func Serve(ctx context.Context, tasks ...Task) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var (
		wg    sync.WaitGroup
		once  sync.Once
		first error
	)
	for _, t := range tasks {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := t.Run(ctx); err != nil {
				once.Do(func() { first = fmt.Errorf("%s: %w", t.Name, err) })
				stop(err)
			}
		}()
	}
	wg.Wait()
	return first
}

// Hangups catches SIGHUP from now on, for [Signals] to act on. It is the first
// thing that a daemon does: a signal without a handler would end it, and a
// configuration can change while it starts.
func Hangups() chan os.Signal {
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, unix.SIGHUP)
	return ch
}

// Signals returns a context that ends with [ErrTerminated] on SIGTERM or
// SIGINT, and calls reload for each SIGHUP, one at a time, and for one that has
// come since [Hangups]; programs that have nothing to reload pass nil for both.
// A second SIGTERM or SIGINT ends the process at once.
// Call stop when the process is done.
func Signals(parent context.Context, hangups chan os.Signal, reload func()) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	ends := make(chan os.Signal, 4)
	signal.Notify(ends, unix.SIGTERM, unix.SIGINT)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		stopping := false
		for {
			select {
			case <-done:
				return
			case <-hangups:
				if !stopping {
					reload()
				}
			case <-ends:
				if stopping {
					os.Exit(1)
				}
				stopping = true
				cancel(ErrTerminated)
			}
		}
	}()
	return ctx, func() {
		signal.Stop(ends)
		close(done)
		wg.Wait()
		cancel(nil)
	}
}
