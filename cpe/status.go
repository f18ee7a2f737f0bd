package main

import (
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/tandem-mptcp/tandem/cpe/upstream"
	"github.com/tandem-mptcp/tandem/shared/account"
	"github.com/tandem-mptcp/tandem/shared/control"
)

// report is what status shows; its JSON is for programs and keeps its names.
type report struct {
	Version       string               `json:"version"`
	PID           int                  `json:"pid"`
	Concentrators []concentratorReport `json:"concentrators"`
	WANs          []wanReport          `json:"wans"`
	Flows         flowsReport          `json:"flows"`
	Accounts      []account.Totals     `json:"accounts"`
}

type concentratorReport struct {
	Name      string                   `json:"name"`
	Up        bool                     `json:"up"`
	Reason    string                   `json:"reason,omitempty"`
	LastHeard *time.Time               `json:"last_heard,omitempty"`
	SynData   upstream.SynDataCounters `json:"syn_data"`
}

type wanReport struct {
	Name      string   `json:"name"`
	Device    string   `json:"device"`
	Role      string   `json:"role"`
	Up        bool     `json:"up"`
	Reason    string   `json:"reason,omitempty"`
	Addresses []string `json:"addresses"`
}

type flowsReport struct {
	Open     int   `json:"open"`
	Accepted int64 `json:"accepted"`
	Relayed  int64 `json:"relayed"`
	MPTCP    int64 `json:"mptcp"`
	Direct   int64 `json:"direct"`
	Refused  int64 `json:"refused"`
}

func (d *cpe) status() report {
	c := &d.proxy.counters
	r := report{
		Version: version, PID: os.Getpid(),
		Concentrators: []concentratorReport{}, WANs: []wanReport{},
		Flows: flowsReport{
			Open: d.proxy.load(), Accepted: c.accepted.Load(), Relayed: c.relayed.Load(),
			MPTCP: c.mptcp.Load(), Direct: c.direct.Load(), Refused: c.refused.Load(),
		},
		Accounts: d.proxy.ledger.Totals(),
	}
	for _, c := range d.proxy.settings.Load().concentrators {
		cr := concentratorReport{Name: c.Name, Up: true, SynData: c.SynData()}
		if err := c.Down(); err != nil {
			cr.Up, cr.Reason = false, err.Error()
		}
		if heard := c.Heard(); !heard.IsZero() {
			cr.LastHeard = &heard
		}
		r.Concentrators = append(r.Concentrators, cr)
	}
	for _, w := range d.proxy.lines.WANs() {
		wr := wanReport{Name: w.Name, Device: w.Device, Role: w.Role.String(), Up: w.Up, Reason: w.Reason, Addresses: []string{}}
		for _, a := range w.Addrs {
			wr.Addresses = append(wr.Addresses, a.String())
		}
		r.WANs = append(r.WANs, wr)
	}
	return r
}

// status asks the running daemon.
func status(o options, stdout io.Writer) error {
	r, err := control.Ask[report](o.control(), "status")
	if err != nil {
		return err
	}
	if o.json {
		return control.PrintJSON(stdout, r)
	}
	r.print(stdout)
	return nil
}

func (r report) print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "tandem-cpe %s, pid %d\n\n", r.Version, r.PID)
	fmt.Fprintln(w, "CONCENTRATOR\tSTATE\tSYN DATA SENT / TAKEN")
	for _, c := range r.Concentrators {
		fmt.Fprintf(w, "%s\t%s\t%d / %d\n", c.Name, state(c.Up, c.Reason), c.SynData.Tried, c.SynData.Acked)
	}
	fmt.Fprintln(w, "\nLINE\tDEVICE\tROLE\tSTATE\tADDRESSES")
	for _, l := range r.WANs {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", l.Name, l.Device, l.Role, state(l.Up, l.Reason), l.Addresses)
	}
	f := r.Flows
	fmt.Fprintf(w, "\nflows: %d open; %d accepted, %d relayed (%d by MPTCP), %d direct, %d refused\n",
		f.Open, f.Accepted, f.Relayed, f.MPTCP, f.Direct, f.Refused)
	if len(r.Accounts) > 0 {
		fmt.Fprintln(w, "\nACCOUNT\tFLOWS\tOPEN\tUP\tDOWN")
	}
	for _, a := range r.Accounts {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\n", a.Name, a.Opened, a.Open, a.Up, a.Down)
	}
	w.Flush()
}

func state(up bool, reason string) string {
	if up {
		return "up"
	}
	return "down: " + reason
}
