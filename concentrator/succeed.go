package main

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"tandem/concentrator/config"
)

// successorVariable is in the environment of a process that is to take over:
// behind the listeners, which are passed as systemd passes them, it has the
// locked file of the state folder and the socket to the process before it.
const successorVariable = "TANDEM_SUCCESSOR"

// predecessor is the process whose place this one takes. Its methods do nothing
// on nil: there is none.
type predecessor struct {
	contact *contact
	lock    *os.File
}

// whoBefore returns the process that started this one to take over, nil for none.
func whoBefore() (*predecessor, error) {
	if os.Getenv(successorVariable) == "" {
		return nil, nil
	}
	os.Unsetenv(successorVariable)
	// What is meant for one process only names it, and we are told as it was.
	pid := strconv.Itoa(os.Getpid())
	os.Setenv("LISTEN_PID", pid)
	if os.Getenv("WATCHDOG_PID") != "" {
		os.Setenv("WATCHDOG_PID", pid)
	}
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil {
		return nil, errors.New(successorVariable + " is set by a running daemon for the next one only")
	}
	const first = 3 // sd_listen_fds(3)
	lock, socket := first+n, first+n+1
	unix.CloseOnExec(lock)
	unix.CloseOnExec(socket)
	p, err := newContact(os.NewFile(uintptr(socket), "predecessor"))
	if err != nil {
		return nil, err
	}
	return &predecessor{p, os.NewFile(uintptr(lock), "state")}, nil
}

// begin says that this process could serve by cfg, and waits for its turn.
func (p *predecessor) begin(cfg *config.Config) error {
	if p == nil {
		return nil
	}
	// The lock that we were given, and where the two find each other.
	same, err := sameFile(p.lock, lockFile(cfg.State))
	if err != nil || !same {
		return errors.Join(errors.New("the state folder has changed: restart the daemon"), err)
	}
	if err := p.contact.say(wordPrepared); err != nil {
		return err
	}
	return p.contact.await(wordGo, 0)
}

// fail tells why this process cannot take over.
func (p *predecessor) fail(err error) {
	if p != nil && err != nil {
		_ = p.contact.say(err.Error())
	}
}

// ready says that this process listens, and waits until it is systemd's.
func (p *predecessor) ready() {
	if p == nil {
		return
	}
	if p.contact.say(wordReady) == nil {
		_ = p.contact.await(wordYours, takeTime)
	}
	p.contact.conn.Close()
}

func sameFile(f *os.File, path string) (bool, error) {
	a, err := f.Stat()
	if err != nil {
		return false, err
	}
	b, err := os.Stat(path)
	return err == nil && os.SameFile(a, b), err
}
