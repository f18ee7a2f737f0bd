package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"tandem/cpe/config"
	"tandem/cpe/flows"
	"tandem/cpe/steer"
	"tandem/cpe/uplink"
	"tandem/cpe/upstream"
	"tandem/shared/account"
	"tandem/shared/columns"
	"tandem/shared/control"
	"tandem/shared/mptcp"
	"tandem/shared/nocmp"
)

// report is what status shows; its JSON is for programs and keeps its names.
type report struct {
	Version       string               `json:"version"`
	PID           int                  `json:"pid"`
	Mode          string               `json:"mode"` // how lines are chosen
	Concentrators []concentratorReport `json:"concentrators"`
	WANs          []wanReport          `json:"wans"`
	Flows         flowsReport          `json:"flows"`
	Warnings      []string             `json:"warnings"` // about the router, in words
	Accept        string               `json:"accept"`   // early or faithful, as it is in force
	Goroutines    int                  `json:"goroutines"`
	Accounts      []account.Totals     `json:"accounts"`
}

type concentratorReport struct {
	_         nocmp.Field
	Name      string                   `json:"name"`
	Up        bool                     `json:"up"`
	Active    bool                     `json:"active"` // new connections go there
	Reason    string                   `json:"reason,omitempty"`
	OnPath    *upstream.OnPathCounts   `json:"on_path,omitempty"` // not there where it takes requests
	LastHeard *time.Time               `json:"last_heard,omitempty"`
	Trust     *trustReport             `json:"trust,omitempty"` // not there where requests are not signed
	RTT       float64                  `json:"rtt_ms"`          // of handshakes; 0: unknown
	SynData   upstream.SynDataCounters `json:"syn_data"`
	ZeroRTT   zeroRTTReport            `json:"zero_rtt"`
	Warm      *warmReport              `json:"warm,omitempty"` // not there where none are made in advance
}

// zeroRTTReport is how often the request left without a handshake before it.
type zeroRTTReport struct {
	_     nocmp.Field
	Hits  int64   `json:"hits"`
	Total int64   `json:"total"`
	Ratio float64 `json:"ratio"`
}

// trustReport is about the key of a concentrator, never the key itself.
type trustReport struct {
	_             nocmp.Field
	Key           string `json:"key"`             // its id
	ClockOffsetMS int64  `json:"clock_offset_ms"` // the concentrator's clock less ours, where it said so
	Proven        int64  `json:"proven_answers"`
	Unproven      int64  `json:"unproven_answers"` // not believed
	Retries       int64  `json:"clock_retries"`
}

type wanReport struct {
	Name      string       `json:"name"`
	Device    string       `json:"device"`
	Interface string       `json:"interface,omitempty"`
	Role      string       `json:"role"`
	Metered   bool         `json:"metered"`
	State     string       `json:"state"`
	Reason    string       `json:"reason,omitempty"`
	Use       string       `json:"use"` // what the mode does with it, and why
	Up        bool         `json:"up"`
	Addresses []string     `json:"addresses"`
	RateUp    int64        `json:"rate_up_bps"`
	RateDown  int64        `json:"rate_down_bps"`
	TotalUp   uint64       `json:"total_up_bytes"`
	TotalDown uint64       `json:"total_down_bytes"`
	RTT       float64      `json:"rtt_ms"`
	Loss      float64      `json:"loss"`
	Subflows  int          `json:"subflows"`
	Quota     *quotaReport `json:"quota"`
}

// quotaReport is null for a line without a quota.
type quotaReport struct {
	_        nocmp.Field
	Limit    uint64 `json:"limit_bytes"`
	Used     uint64 `json:"used_bytes"`
	ResetDay int    `json:"reset_day"`
	Resets   string `json:"resets"` // date of the next reset; empty: the router does not know the date
	Action   string `json:"action"` // what is done when it is used up
	State    string `json:"state"`  // ok, warning, reached
}

type flowsReport struct {
	Open     int   `json:"open"`
	Accepted int64 `json:"accepted"`
	Relayed  int64 `json:"relayed"`
	MPTCP    int64 `json:"mptcp"`
	Direct   int64 `json:"direct"`
	Inbound  int64 `json:"inbound"`
	Refused  int64 `json:"refused"`
}

// status gathers the report. Each is survey's.
func (d *cpe) status(each func(*flows.Flow, []mptcp.Subflow)) report {
	c := &d.proxy.counters
	r := report{
		Version: version, PID: os.Getpid(), Mode: d.proxy.settings.Load().config.Mode.String(),
		Concentrators: []concentratorReport{}, Warnings: []string{},
		Flows: flowsReport{
			Open: d.proxy.load(), Accepted: c.accepted.Load(), Relayed: c.relayed.Load(),
			MPTCP: c.mptcp.Load(), Direct: c.direct.Load(), Inbound: c.inbound.Load(), Refused: c.refused.Load(),
		},
		Accept: d.interception.accepts(), Goroutines: runtime.NumGoroutine(),
		Accounts: d.proxy.ledger.Totals(),
	}
	active := false
	for _, c := range d.proxy.settings.Load().concentrators {
		cr := concentratorReport{Name: c.Name, Up: true, SynData: c.SynData(), Warm: warmReportOf(c), RTT: milliseconds(c.RoundTrip())}
		if err := c.Down(); err != nil {
			cr.Up, cr.Reason = false, err.Error()
		} else if c.OnPath {
			cr.Reason = c.Absent()
		}
		if c.OnPath {
			counts := c.OnPathCounts()
			cr.OnPath = &counts
		}
		cr.Active, active = cr.Up && !active, active || cr.Up
		if heard := c.Heard(); !heard.IsZero() {
			cr.LastHeard = &heard
		}
		if t := c.Trust(); t.Key != "" {
			cr.Trust = &trustReport{Key: t.Key, ClockOffsetMS: t.Ahead.Milliseconds(), Proven: t.Proven, Unproven: t.Unproven, Retries: t.Retries}
		}
		cr.ZeroRTT.Hits, cr.ZeroRTT.Total = c.ZeroRTT()
		if cr.ZeroRTT.Total > 0 {
			cr.ZeroRTT.Ratio = float64(cr.ZeroRTT.Hits) / float64(cr.ZeroRTT.Total)
		}
		r.Concentrators = append(r.Concentrators, cr)
	}
	r.WANs = d.proxy.wanReports(each)
	if words := besideMwan3(d.proxy.settings.Load().facts.Mwan3); words != "" {
		r.Warnings = append(r.Warnings, words)
	}
	if keepsOut() {
		r.Warnings = append(r.Warnings, keptOutWords)
	}
	return r
}

// wanReports tells of each line, in the order of the configuration.
func (p *proxy) wanReports(each func(*flows.Flow, []mptcp.Subflow)) []wanReport {
	reports := []wanReport{}
	seen := p.survey(each)
	wans := p.lines.Sample()
	use := steer.Words(p.settings.Load().config.Mode, wans, p.steerer.More())
	for i, w := range wans {
		w = p.judge(w, seen[w.Name])
		counters, rates := p.lines.Meter().Read(w.Name)
		s := seen[w.Name]
		wr := wanReport{
			Name: w.Name, Device: w.Device, Interface: w.Interface, Role: w.Role.String(), Metered: w.Metered,
			State: w.State.String(), Reason: w.Reason, Use: use[i], Up: w.Up, Addresses: []string{},
			RateUp: int64(rates.Up), RateDown: int64(rates.Down), TotalUp: counters.Up, TotalDown: counters.Down,
			RTT: milliseconds(s.roundTrip()), Loss: s.loss(), Subflows: s.subflows,
		}
		if c := p.configuredWAN(w.Name); c != nil {
			wr.Role = c.Role.String()
			if c.Quota > 0 {
				use := p.quotas.Use(*c)
				wr.Quota = &quotaReport{Limit: c.Quota, Used: use.Used, ResetDay: c.ResetDay, Resets: use.Resets, Action: c.QuotaAction.String(), State: use.State}
			}
		}
		for _, a := range w.Addrs {
			wr.Addresses = append(wr.Addresses, a.String())
		}
		reports = append(reports, wr)
	}
	return reports
}

// configuredWAN is the line as the file has it; nil if it was taken out this
// moment.
func (p *proxy) configuredWAN(name string) *config.WAN {
	for _, w := range p.settings.Load().config.WANs {
		if w.Name == name {
			return &w
		}
	}
	return nil
}

// lossy is the share of bytes sent again from which a line counts as degraded:
// five times what cellular networks do.
const lossy = 0.10

// judge adds to a line that is up what its connections tell of it.
func (p *proxy) judge(w uplink.WAN, s *lineSurvey) uplink.WAN {
	if !w.Up {
		return w
	}
	for _, c := range p.settings.Load().concentrators {
		switch {
		case c.NoMPTCP(w.Name):
			w.State, w.Reason = uplink.NoMPTCP, "something on the way removes MPTCP: connections that begin on this line stay on it alone"
			return w
		case c.NoSynData(w.Name):
			w.State, w.Reason = uplink.NoSynData, "data in the SYN does not get through: requests leave after the handshake"
			return w
		}
	}
	if s.sent > 1<<20 && s.loss() > lossy {
		w.State, w.Reason = uplink.Degraded, fmt.Sprintf("%.0f %% of the bytes had to be sent again", s.loss()*100)
	}
	return w
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }

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
	w := columns.New(out)
	fmt.Fprintf(w, "tandem-cpe %s, pid %d, mode %s\n\n", r.Version, r.PID, r.Mode)
	fmt.Fprintln(w, "CONCENTRATOR\tKEY\tPROVEN ANSWERS\tCLOCK\tRTT\tSYN DATA SENT / TAKEN\tWITHOUT A ROUND TRIP\tSTATE")
	for _, c := range r.Concentrators {
		key, proven, clock := "-", "-", "-"
		if t := c.Trust; t != nil {
			key, proven = t.Key, fmt.Sprint(t.Proven)
			if t.Unproven > 0 {
				proven += fmt.Sprintf(" (%d without proof)", t.Unproven)
			}
			clock = clockWords(t.ClockOffsetMS)
		}
		state := "up"
		switch {
		case !c.Up:
			state = "down: " + c.Reason
		case !c.Active:
			state = "up, in reserve"
		case c.Reason != "":
			state = "up: " + c.Reason
		}
		if o := c.OnPath; o != nil {
			state = fmt.Sprintf("on the path, %d taken over, %d passed; %s", o.Taken, o.Passed, state)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d / %d\t%d of %d\t%s\n", c.Name, key, proven, clock, inMs(c.RTT),
			c.SynData.Tried, c.SynData.Acked, c.ZeroRTT.Hits, c.ZeroRTT.Total, state)
	}
	fmt.Fprintln(w, "\nLINE\tDEVICE\tROLE\tSTATE\tUSE\tDOWN\tUP\tRTT\tLOSS\tSUBFLOWS\tQUOTA\tADDRESSES")
	for _, l := range r.WANs {
		state, quota := l.State, "-"
		if l.Reason != "" {
			state += ": " + l.Reason
		}
		if q := l.Quota; q != nil {
			quota = fmt.Sprintf("%s of %s, %s", inBytes(q.Used), inBytes(q.Limit), q.State)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%.1f %%\t%d\t%s\t%s\n", l.Name, l.Device, l.Role, state, l.Use,
			inBits(l.RateDown), inBits(l.RateUp), inMs(l.RTT), l.Loss*100, l.Subflows, quota, l.Addresses)
	}
	f := r.Flows
	fmt.Fprintf(w, "\nflows: %d open; %d accepted, %d relayed (%d by MPTCP), %d direct, %d refused\n",
		f.Open, f.Accepted, f.Relayed, f.MPTCP, f.Direct, f.Refused)
	for _, words := range r.Warnings {
		fmt.Fprintf(w, "\nnote: %s\n", words)
	}
	if len(r.Accounts) > 0 {
		fmt.Fprintln(w, "\nACCOUNT\tFLOWS\tOPEN\tUP\tDOWN")
	}
	for _, a := range r.Accounts {
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\n", a.Name, a.Opened, a.Open, inBytes(uint64(a.Up)), inBytes(uint64(a.Down)))
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
