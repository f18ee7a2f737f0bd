package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"tandem/shared/columns"
	"tandem/shared/control"
	"tandem/shared/nocmp"
)

// flowList is what the command flows shows.
type flowList struct {
	Total int          `json:"total"`
	Flows []flowReport `json:"flows"` // the newest maxListed of them, the oldest first
}

type flowReport struct {
	ID           uint64          `json:"id"`
	Host         string          `json:"host"`
	Destination  string          `json:"destination"`
	Started      time.Time       `json:"started"`
	Mode         string          `json:"mode"`
	Inbound      bool            `json:"inbound,omitempty"`
	Concentrator string          `json:"concentrator,omitempty"`
	MPTCP        bool            `json:"mptcp"`
	Up           int64           `json:"up_bytes"`
	Down         int64           `json:"down_bytes"`
	Subflows     []subflowReport `json:"subflows"`
}

type subflowReport struct {
	_             nocmp.Field
	WAN           string  `json:"wan"`
	Local         string  `json:"local"`
	Remote        string  `json:"remote"`
	State         string  `json:"state"`
	RTT           float64 `json:"rtt_ms"`
	Up            uint64  `json:"up_bytes"`
	Down          uint64  `json:"down_bytes"`
	Retransmitted uint64  `json:"retransmitted_bytes"`
}

// maxListed bounds the answer to some 2 MB.
const maxListed = 4096

func (d *cpe) flowList() flowList {
	open := d.proxy.flows.List()
	l := flowList{Total: len(open), Flows: []flowReport{}}
	for _, f := range open[max(0, len(open)-maxListed):] {
		r := flowReport{
			ID: f.ID, Host: f.Host.String(), Destination: f.Destination.String(), Started: f.Started,
			Mode: f.Mode, Inbound: f.Inbound, Concentrator: f.Concentrator, Subflows: []subflowReport{},
		}
		r.Up, r.Down = f.Bytes()
		subflows, err := f.Subflows()
		r.MPTCP = err == nil
		for _, s := range subflows {
			wan, _ := d.proxy.lines.LineOf(s.Local.Addr())
			r.Subflows = append(r.Subflows, subflowReport{
				WAN: wan, Local: s.Local.String(), Remote: s.Remote.String(), State: s.State.String(),
				RTT: milliseconds(s.RTT), Up: s.BytesAcked, Down: s.BytesReceived, Retransmitted: s.BytesRetransmitted,
			})
		}
		l.Flows = append(l.Flows, r)
	}
	return l
}

// listFlows asks the running daemon.
func listFlows(o options, stdout io.Writer) error {
	l, err := control.Ask[flowList](o.control(), "flows")
	if err != nil {
		return err
	}
	if o.json {
		return control.PrintJSON(stdout, l)
	}
	l.print(stdout)
	return nil
}

func (l flowList) print(out io.Writer) {
	w := columns.New(out)
	fmt.Fprintln(w, "HOST\tDESTINATION\tAGE\tMODE\tDOWN\tUP\tSUBFLOWS (DOWN / UP)")
	for _, f := range l.Flows {
		var lines []string
		for _, s := range f.Subflows {
			lines = append(lines, fmt.Sprintf("%s %s / %s", s.WAN, inBytes(s.Down), inBytes(s.Up)))
		}
		if f.Concentrator != "" && !f.MPTCP {
			lines = append(lines, "plain TCP")
		}
		destination := f.Destination
		if f.Inbound {
			destination = "from " + destination
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", f.Host, destination, time.Since(f.Started).Round(time.Second),
			f.Mode, inBytes(uint64(f.Down)), inBytes(uint64(f.Up)), strings.Join(lines, ", "))
	}
	w.Flush()
	fmt.Fprintf(out, "\n%d flows\n", l.Total)
}
