package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"text/tabwriter"

	"tandem/shared/account"
	"tandem/shared/control"
)

// report is what status shows; its JSON is for programs and keeps its names.
type report struct {
	Version  string       `json:"version"`
	Draining bool         `json:"draining,omitempty"`
	PID      int          `json:"pid"`
	Open     int          `json:"open"`
	Pending  int          `json:"pending"`
	Accepted int64        `json:"accepted"`
	Parked   parkedReport `json:"parked"`
	// TurnedAway are those of Accepted that were reset unread.
	TurnedAway int64 `json:"turned_away"`
	Relayed    int64 `json:"relayed"`
	Inbound    int64 `json:"inbound"`
	OnPath     int64 `json:"on_path"` // of those relayed, taken over on their way
	Refused    int64 `json:"refused"`
	Malformed  int64 `json:"malformed"`
	Failed     int64 `json:"failed"`
	Overload   int64 `json:"overload"`
	// Moved are answers that went to another connection, as a line had died.
	Moved      int64            `json:"moved"`
	Goroutines int              `json:"goroutines"`
	Clients    []account.Totals `json:"clients"`
	// Earlier are processes that have handed over and have connections.
	Earlier []earlierReport `json:"earlier,omitempty"`
	// HandoverFailed says why the last hand-over did not happen.
	HandoverFailed string `json:"handover_failed,omitempty"`
}

// parkedReport is about connections made in advance.
type parkedReport struct {
	Now      int   `json:"now"`
	Total    int64 `json:"total"`
	Resumed  int64 `json:"resumed"`  // got their request, or ended by the CPE
	Reversed int64 `json:"reversed"` // taken for a connection from outside
	Expired  int64 `json:"expired"`
	Shed     int64 `json:"shed"`    // closed to make room
	Refused  int64 `json:"refused"` // over a limit
}

func (d *concentrator) status() report {
	s := d.server
	k := s.parking
	failed := ""
	if text := d.handOverFailed.Load(); text != nil {
		failed = *text
	}
	return report{
		HandoverFailed: failed,
		Parked:         parkedReport{k.count(), k.parked.Load(), k.resumed.Load(), k.reversed.Load(), k.expired.Load(), k.shed.Load(), k.full.Load()},
		Version:        version, Draining: s.draining.Load(), PID: os.Getpid(), Open: s.engine.Active(), Pending: s.pending.count(),
		Accepted: s.counters.accepted.Load(), Relayed: s.counters.relayed.Load(), Inbound: s.counters.inbound.Load(), OnPath: s.counters.onPath.Load(), Refused: s.counters.refused.Load(),
		TurnedAway: s.counters.turnedAway.Load(),
		Malformed:  s.counters.malformed.Load(), Failed: s.counters.failed.Load(), Overload: s.counters.overload.Load(), Moved: s.counters.moved.Load(),
		Goroutines: runtime.NumGoroutine(),
		Clients:    s.ledger.Totals(),
	}
}

// status asks the running daemon.
func status(o options, stdout io.Writer) error {
	path, err := o.control()
	if err != nil {
		return err
	}
	r, err := control.Ask[report](path, "status")
	if err != nil {
		return err
	}
	if o.json {
		return control.PrintJSON(stdout, r)
	}
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "tandem-concentrator %s, pid %d\n\n", r.Version, r.PID)
	fmt.Fprintf(w, "connections: %d open, %d in set-up, %d parked; %d accepted, %d turned away unread, %d relayed (%d taken over on their way), %d from outside, %d refused, %d malformed, %d servers not reached, %d over limits\n",
		r.Open, r.Pending, r.Parked.Now, r.Accepted, r.TurnedAway, r.Relayed, r.OnPath, r.Inbound, r.Refused, r.Malformed, r.Failed, r.Overload)
	if r.Draining {
		fmt.Fprintln(w, "draining: new connections are refused until \"tandem-concentrator undrain\"")
	}
	for _, e := range r.Earlier {
		fmt.Fprintf(w, "%d connections go on in process %d, which has handed over\n", e.Open, e.PID)
	}
	if len(r.Clients) > 0 {
		fmt.Fprintln(w, "\nCLIENT\tFLOWS\tOPEN\tFAILED\tUP\tDOWN")
	}
	for _, c := range r.Clients {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\n", c.Name, c.Opened, c.Open, c.Failed, c.Up, c.Down)
	}
	return w.Flush()
}
