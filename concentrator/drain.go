package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"tandem/concentrator/service"
	"tandem/shared/control"
)

// drained is the answer to drain and undrain.
type drained struct {
	Draining bool `json:"draining"`
	Open     int  `json:"open"`
}

// drain sends clients away, or takes them again. CPEs told so use another
// concentrator or go direct; what is open lives on.
func (d *concentrator) drain(on bool) drained {
	if d.server.draining.Swap(on) != on {
		d.log.Info("draining by command", "on", on, "connections", d.server.engine.Active())
		d.onPath.take(d.log, !on)
		service.Status(map[bool]string{true: "draining: new connections are refused", false: ""}[on])
	}
	return drained{on, d.server.engine.Active()}
}

// drain asks the daemon to drain and waits until nothing is open.
func drain(o options, stdout io.Writer) error {
	path, err := o.control()
	if err != nil {
		return err
	}
	shown := -1
	for {
		now, err := control.Ask[drained](path, "drain")
		if err != nil {
			return err
		}
		if o.json {
			return control.PrintJSON(stdout, now)
		}
		if now.Open != shown {
			fmt.Fprintf(stdout, "%d connections open\n", now.Open)
			shown = now.Open
		}
		if now.Open == 0 {
			fmt.Fprintln(stdout, `New connections are refused until "tandem-concentrator undrain" or a restart.`)
			return nil
		}
		time.Sleep(time.Second)
	}
}

// handOver asks the daemon to hand over to the program that is installed now,
// and waits until that serves.
func handOver(o options, stdout io.Writer) error {
	path, err := o.control()
	if err != nil {
		return err
	}
	next, err := control.Ask[handedOver](path, "handover")
	if err != nil {
		return err
	}
	const patience = prepareTime + takeTime
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		now, err := control.Ask[report](path, "status")
		switch {
		case err != nil: // neither of the two answers at the moment
		case now.PID == next.PID && o.json:
			return control.PrintJSON(stdout, next)
		case now.PID == next.PID:
			fmt.Fprintf(stdout, "process %d serves, version %s\n", now.PID, now.Version)
			for _, e := range now.Earlier {
				fmt.Fprintf(stdout, "%d connections go on in process %d\n", e.Open, e.PID)
			}
			return nil
		case now.HandoverFailed != "":
			return errors.New(now.HandoverFailed)
		}
	}
	return fmt.Errorf("process %d has not taken over within %s; see the log", next.PID, patience)
}

func undrain(o options, stdout io.Writer) error {
	path, err := o.control()
	if err != nil {
		return err
	}
	now, err := control.Ask[drained](path, "undrain")
	if err == nil && o.json {
		err = control.PrintJSON(stdout, now)
	}
	return err
}

// drainConnections lets those there are end by themselves, until drain ends.
func (d *concentrator) drainConnections(drain context.Context) {
	// Requests on their way are answered first: they may become connections.
	answered := make(chan struct{})
	go func() { d.server.setups.Wait(); close(answered) }()
	select {
	case <-answered:
	case <-drain.Done():
		d.cutSetups()
		<-answered
	}
	if cut := d.server.engine.Drain(drain); cut > 0 {
		d.log.Warn("connections cut", "reason", context.Cause(drain), "connections", cut)
	}
}
