package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tandem/concentrator/service"
	"tandem/shared/control"
	"tandem/shared/daemon"
)

// A hand-over puts a new process, of the program that is installed now, in the
// place of the running one. The old one keeps the connections that it has until
// they end; the new one takes those that come. In this order, over a socket
// between the two:
//
//	old                                   new
//	starts the new process ─────────────▶ reads its configuration
//	                       ◀── prepared ─
//	stops accepting, saves its state
//	                       ─── go ──────▶ takes the state over, listens
//	                       ◀────── ready ─
//	names it to systemd    ─── yours ───▶ tells systemd how it is
//	drains                                serves
//
// Until "prepared" nothing has changed, and a new process that fails costs
// nothing. Between "go" and "ready" connections wait in the listening sockets,
// which both processes have. A program of another version speaks the same
// words, or the hand-over fails at the first.
const (
	wordPrepared, wordGo, wordReady, wordYours = "prepared", "go", "ready", "yours"

	// prepareTime is for a busy machine; nobody waits meanwhile.
	prepareTime = time.Minute
	// takeTime is how long connections may have to wait before the old process
	// gives up, for systemd to start another.
	takeTime = 20 * time.Second
	// settleTime is for requests that have arrived but were not read yet.
	settleTime = 300 * time.Millisecond
)

// errHandOver ends the tasks of a process that hands over.
var errHandOver = errors.New("another process takes over")

// successor is the process that is to take this one's place.
type successor struct {
	process *os.Process
	contact *contact
}

// handOver is the request of that name: it starts the new process and returns.
// How it went on is seen from who answers status.
func (d *concentrator) handOver([]string) (any, error) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	if d.next.Load() != nil {
		return nil, errors.New("another process is about to take over")
	}
	next, err := startSuccessor(d.listeners, d.state)
	if err != nil {
		return nil, fmt.Errorf("hand-over: %w", err)
	}
	d.next.Store(next)
	d.handOverFailed.Store(nil)
	d.log.Info("handing over", "to", next.process.Pid)
	go func() {
		if err := next.contact.await(wordPrepared, prepareTime); err != nil {
			next.kill()
			text := "the new process is not fit to take over, this one goes on: " + err.Error()
			d.log.Error(text)
			d.handOverFailed.Store(&text)
			d.next.Store(nil)
			return
		}
		d.leave(errHandOver)
	}()
	return handedOver{next.process.Pid}, nil
}

// handedOver is the answer to handover.
type handedOver struct {
	PID int `json:"pid"`
}

// startSuccessor starts the installed program with our arguments, as a child of
// our parent: systemd is to see its end.
func startSuccessor(listeners []*net.TCPListener, state *os.File) (*successor, error) {
	program, err := os.Executable() // the path, whatever is there now
	if err != nil {
		return nil, err
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "predecessor")
	defer theirs.Close()
	ours, err := newContact(os.NewFile(uintptr(fds[0]), "successor"))
	if err != nil {
		return nil, err
	}
	files := []*os.File{os.Stdin, os.Stdout, os.Stderr}
	for _, l := range listeners {
		f, err := l.File()
		if err != nil {
			ours.conn.Close()
			return nil, err
		}
		defer f.Close()
		files = append(files, f)
	}
	files = append(files, state, theirs)
	process, err := os.StartProcess(program, os.Args, &os.ProcAttr{
		Files: files,
		Env:   append(os.Environ(), fmt.Sprintf("LISTEN_FDS=%d", len(listeners)), successorVariable+"=1"),
		Sys:   &syscall.SysProcAttr{Cloneflags: unix.CLONE_PARENT},
	})
	if err != nil {
		ours.conn.Close()
		if errors.Is(err, unix.EINVAL) {
			return nil, fmt.Errorf("%w; the first process of a container cannot be replaced: restart the container", err)
		}
		return nil, err
	}
	return &successor{process, ours}, nil
}

func (n *successor) kill() {
	_ = n.process.Kill()
	n.contact.conn.Close()
}

// alive tells whether the process has not ended; who reaps it is our parent.
func (n *successor) alive() bool { return n.process.Signal(syscall.Signal(0)) == nil }

// yield gives everything but the open connections to next, and serves these to
// their end. Nothing is accepted any more, and all tasks have ended. release
// ends what makes this process the daemon: signals, the watchdog.
func (d *concentrator) yield(next *successor, release func()) error {
	cfg := d.server.settings.Load().config
	signalled, stop := daemon.Signals(context.Background(), nil, nil)
	defer stop()
	// A request that was read now must not be unknown to the next process, or it
	// could be served twice. Who has not said anything yet, can say it there.
	d.server.pending.settle(settleTime)
	_ = os.RemoveAll(passedOn(cfg)) // of one that failed
	d.closeState(passedOn(cfg))
	// From now on we are one of the earlier ones (earlier.go).
	earlier := &control.Server{Path: earlierSocket(cfg.Control, os.Getpid()), Handlers: map[string]control.Handler{
		"status":         func([]string) (any, error) { return d.status(), nil },
		"reload-clients": d.reloadClients,
	}}
	if err := earlier.Listen(); err != nil {
		d.log.Error("clients that are removed keep the connections they have here", "err", err)
	}
	err := next.contact.say(wordGo)
	if err == nil {
		err = next.contact.await(wordReady, takeTime)
	}
	if err != nil {
		next.kill()
		return fmt.Errorf("the new process did not take over: %w", err)
	}
	service.MainPID(next.process.Pid)
	_ = next.contact.say(wordYours)
	release()
	d.log.Info("handed over", "to", next.process.Pid, "connections", d.server.engine.Active(), "timeout", cfg.Limits.HandoverTimeout)
	drain, cut := context.WithCancelCause(context.Background())
	defer cut(nil)
	limit := time.AfterFunc(cfg.Limits.HandoverTimeout, func() { cut(errors.New("handover timeout")) })
	defer limit.Stop()
	context.AfterFunc(signalled, func() {
		wait := cfg.Limits.DrainTimeout
		if !next.alive() {
			wait = 0 // systemd starts another when all have ended
		}
		time.AfterFunc(wait, func() { cut(errors.New("drain timeout")) })
	})
	ended, end := context.WithCancel(context.Background())
	defer end()
	return daemon.Serve(ended,
		daemon.Task{Name: "connections", Run: func(context.Context) error {
			defer end()
			d.drainConnections(drain)
			return nil
		}},
		daemon.Task{Name: "send buffers", Run: d.tuner().Run},
		daemon.Task{Name: "memory", Run: d.server.tidy},
		daemon.Task{Name: "volumes", Run: d.passVolumesOn},
		daemon.Task{Name: "control", Run: earlier.Run},
	)
}

// contact is one end of the socket between the two processes. Words are lines; an
// error is a line too.
type contact struct {
	conn *net.UnixConn
	in   *bufio.Reader
}

// newContact takes f over.
func newContact(f *os.File) (*contact, error) {
	defer f.Close() // net.FileConn duplicates it
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, fmt.Errorf("%s is no unix socket", f.Name())
	}
	return &contact{u, bufio.NewReader(u)}, nil
}

func (p *contact) say(word string) error {
	_, err := io.WriteString(p.conn, strings.ReplaceAll(word, "\n", "; ")+"\n")
	return err
}

// await waits for a word, 0: without limit. Another word is the reason why it
// does not come.
func (p *contact) await(word string, limit time.Duration) error {
	if limit > 0 {
		_ = p.conn.SetReadDeadline(time.Now().Add(limit))
		defer p.conn.SetReadDeadline(time.Time{})
	}
	got, err := p.in.ReadString('\n')
	switch got = strings.TrimSuffix(got, "\n"); {
	case err == io.EOF:
		return errors.New("the other process has ended")
	case err != nil:
		return err
	case got != word:
		return errors.New(got)
	}
	return nil
}

// settle waits until every request that has come is read, at most for limit,
// and ends the connections on which none has.
func (p *pendingConns) settle(limit time.Duration) {
	for deadline := time.Now().Add(limit); p.count() > 0 && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.oldest != nil {
		_ = p.oldest.conn.Reset()
		p.remove(p.oldest)
	}
}
