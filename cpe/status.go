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
	Trust     *trustReport             `json:"trust,omitempty"` // not there where requests are not signed
	SynData   upstream.SynDataCounters `json:"syn_data"`
}

// trustReport is about the key of a concentrator, never the key itself.
type trustReport struct {
	Key           string `json:"key"`             // its id
	ClockOffsetMS int64  `json:"clock_offset_ms"` // the concentrator's clock less ours, where it said so
	Proven        int64  `json:"proven_answers"`
	Unproven      int64  `json:"unproven_answers"` // not believed
	Retries       int64  `json:"clock_retries"`
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
		if t := c.Trust(); t.Key != "" {
			cr.Trust = &trustReport{t.Key, t.Ahead.Milliseconds(), t.Proven, t.Unproven, t.Retries}
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
	fmt.Fprintln(w, "CONCENTRATOR\tKEY\tPROVEN ANSWERS\tCLOCK\tSYN DATA SENT / TAKEN\tSTATE")
	for _, c := range r.Concentrators {
		key, proven, clock := "-", "-", "-"
		if t := c.Trust; t != nil {
			key, proven = t.Key, fmt.Sprint(t.Proven)
			if t.Unproven > 0 {
				proven += fmt.Sprintf(" (%d without proof)", t.Unproven)
			}
			clock = clockWords(t.ClockOffsetMS)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d / %d\t%s\n", c.Name, key, proven, clock, c.SynData.Tried, c.SynData.Acked, state(c.Up, c.Reason))
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

// clockWords says how far the concentrator's clock is from ours.
func clockWords(ms int64) string {
	const day = 24 * time.Hour
	d, word := time.Duration(ms)*time.Millisecond, "ahead"
	if ms < 0 {
		d, word = -d, "behind"
	}
	switch {
	case d < time.Second:
		return "ok"
	case d < 2*day:
		return fmt.Sprintf("%s %s", d.Round(time.Second), word)
	}
	return fmt.Sprintf("%d days %s", d/day, word)
}

func state(up bool, reason string) string {
	if up {
		return "up"
	}
	return "down: " + reason
}
