package main

import (
	"fmt"
	"io"
	"time"

	"github.com/tandem-mptcp/tandem/concentrator/service"
	"github.com/tandem-mptcp/tandem/shared/control"
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
