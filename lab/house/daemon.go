package house

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	labnet "tandem/lab/net"
	"tandem/shared/control"
)

// Daemon is one of the two, running.
type Daemon struct {
	Log    *Log
	Socket string // control socket

	name    string
	process *os.Process
	ended   chan struct{}
	err     error
}

// start runs a daemon and waits until its control socket answers. With a
// logFile it can outlive this process.
func start(ctx context.Context, host *labnet.Host, base, logFile string, args ...string) (*Daemon, error) {
	d := &Daemon{Log: new(Log), Socket: base + ".sock", ended: make(chan struct{})}
	cmd := host.Command(context.WithoutCancel(ctx), args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = d.Log, d.Log
	if logFile != "" { // must outlive us: no pipe, no terminal
		f, err := os.Create(logFile)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		cmd.Stdout, cmd.Stderr = f, f
		d.Log.file = logFile
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	d.name, d.process = args[0], cmd.Process
	go func() { d.err = cmd.Wait(); close(d.ended) }()
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	for {
		if _, err := control.Call(d.Socket, "status"); err == nil {
			return d, nil
		}
		select {
		case <-d.ended:
			return d, fmt.Errorf("%s ended at once: %v\n%s", args[0], d.err, d.Log)
		case <-ctx.Done():
			return d, fmt.Errorf("%s does not serve: %w\n%s", args[0], ctx.Err(), d.Log)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// PID is the daemon's process.
func (d *Daemon) PID() int { return d.process.Pid }

// Signal sends a signal.
func (d *Daemon) Signal(s syscall.Signal) error { return d.process.Signal(s) }

// Wait waits for the process to end.
func (d *Daemon) Wait(limit time.Duration) error {
	select {
	case <-d.ended:
		return d.err
	case <-time.After(limit):
		return fmt.Errorf("process %d still runs after %s", d.PID(), limit)
	}
}

// Stop ends the daemon as an operator would: SIGTERM, another one after half
// the limit, which cuts the draining short, and SIGKILL to what is left after
// limit. A daemon that ended before is fine.
func (d *Daemon) Stop(limit time.Duration) error {
	_ = d.Signal(syscall.SIGCONT)
	for range 2 {
		_ = d.Signal(syscall.SIGTERM)
		select {
		case <-d.ended:
			return nil
		case <-time.After(limit / 2):
		}
	}
	_ = d.process.Kill()
	<-d.ended
	return fmt.Errorf("%s did not stop within %s; it said:\n%s", d.name, limit, d.Log)
}

// Kill ends the daemon without a chance to clean up.
func (d *Daemon) Kill() error {
	if err := d.process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-d.ended
	return nil
}

// Log keeps what a daemon printed.
type Log struct {
	file string // where it is kept, if not here
	mu   sync.Mutex
	buf  bytes.Buffer
}

func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

// String returns all of it.
func (l *Log) String() string {
	if l.file != "" {
		text, err := os.ReadFile(l.file)
		if err != nil {
			return err.Error()
		}
		return string(text)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// Count returns in how many lines text occurs.
func (l *Log) Count(text string) (n int) {
	for _, line := range strings.Split(l.String(), "\n") {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}
