package house

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"

	"tandem/shared/control"
)

// HandOver has the concentrator put a new process in its place, as an upgrade
// does. h.Concentrator is that one then; before is the old one, which ends when
// its connections have.
func (h *House) HandOver(ctx context.Context) (before *Daemon, err error) {
	before = h.Concentrator
	out, err := h.ConcentratorHost().Command(ctx, h.concentratorProgram(), "handover", "--config", h.concentratorFile()).CombinedOutput()
	if err != nil {
		return before, fmt.Errorf("handover: %w: %s", err, out)
	}
	s, err := control.Ask[ConcentratorStatus](before.Socket, "status")
	if err != nil {
		return before, err
	}
	// The daemon makes it a child of its own parent, which is us.
	process, err := os.FindProcess(s.PID)
	if err != nil {
		return before, err
	}
	now := &Daemon{Log: before.Log, Socket: before.Socket, process: process, name: before.name, ended: make(chan struct{})}
	go func() { _, now.err = process.Wait(); close(now.ended) }()
	h.others = append(h.others, before)
	h.Concentrator = now
	return before, nil
}

// Gone waits until the process has ended, whoever has its output still.
func (d *Daemon) Gone(limit time.Duration) error {
	for deadline := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		if d.process.Signal(syscall.Signal(0)) != nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("process %d still runs after %s", d.PID(), limit)
		}
	}
}
