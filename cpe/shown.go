package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"tandem/cpe/flows"
	"tandem/shared/mptcp"
	"tandem/shared/nocmp"
	"tandem/shared/order"
)

// shown asks for the state and the flows as the LuCI page shows them, in one
// answer: "status shown 200". The page asks every few seconds, so that what it
// does not show is not gathered, and each flow's subflows are read once.
const shown = "shown"

// shownReport is the answer.
type shownReport struct {
	report
	Shown shownList `json:"shown"`
}

// shownList is a text and not an array of objects, because rpcd, ubus and
// uhttpd turn each value of an answer into their own form: for 200 flows that
// takes as long as all the rest. rpcd besides hands on messages of at most 1 MiB.
type shownList struct {
	_     nocmp.Field
	Total int `json:"total"`
	// Flows has those that carried most, the biggest first: a line for each, with
	// id, LAN host's address, destination, age in seconds, mode, "mptcp" or "tcp",
	// bytes up and down, then name, bytes up and down of each access line; all
	// with tabs between.
	Flows string `json:"flows"`
}

// Flows in one answer, if the page does not say and at most.
const (
	showFlows = 200
	maxShown  = 1000
)

// reported answers the request "status".
func (d *cpe) reported(args []string) (any, error) {
	if len(args) == 0 || args[0] != shown {
		return d.status(nil), nil
	}
	if len(args) != 2 {
		return nil, fmt.Errorf("status %s takes one number", shown)
	}
	limit, err := strconv.Atoi(args[1])
	if err != nil {
		return nil, err
	}
	l := newShowing(d.proxy.flows.List(), limit, d.proxy.lines.LineOf, time.Now())
	r := d.status(l.look)
	return shownReport{r, l.list()}, nil
}

// showing gathers the list while the survey goes through the flows.
type showing struct {
	total  int
	flows  []*flows.Flow
	rows   map[*flows.Flow][]byte
	lineOf func(netip.Addr) (string, bool)
	now    time.Time
	lines  []shownLine // of the flow that is looked at
}

// shownLine is what a flow carried over one access line.
type shownLine struct {
	_        nocmp.Field
	name     string
	up, down uint64
}

func newShowing(open []*flows.Flow, limit int, lineOf func(netip.Addr) (string, bool), now time.Time) *showing {
	s := &showing{total: len(open), flows: biggest(open, limit), lineOf: lineOf, now: now}
	s.rows = make(map[*flows.Flow][]byte, len(s.flows))
	for _, f := range s.flows {
		s.rows[f] = nil
	}
	return s
}

// look takes a flow and its subflows, which are nil where it is not MPTCP.
func (s *showing) look(f *flows.Flow, subflows []mptcp.Subflow) {
	if _, wanted := s.rows[f]; !wanted {
		return
	}
	s.lines = s.lines[:0]
	for i := range subflows {
		name, _ := s.lineOf(subflows[i].Local.Addr())
		s.add(name, subflows[i].BytesAcked, subflows[i].BytesReceived)
	}
	s.rows[f] = s.row(f, subflows != nil)
}

func (s *showing) add(line string, up, down uint64) {
	i := slices.IndexFunc(s.lines, func(l shownLine) bool { return l.name == line })
	if i < 0 {
		i = len(s.lines)
		s.lines = append(s.lines, shownLine{name: line})
	}
	s.lines[i].up += up
	s.lines[i].down += down
}

func (s *showing) row(f *flows.Flow, isMPTCP bool) []byte {
	b := make([]byte, 0, 128)
	b = strconv.AppendUint(b, f.ID, 10)
	b = f.Host.Addr().AppendTo(append(b, '\t'))
	b = f.Destination.AppendTo(append(b, '\t'))
	b = strconv.AppendInt(append(b, '\t'), int64(s.now.Sub(f.Started).Seconds()), 10)
	b = append(append(b, '\t'), f.Mode...)
	b = append(append(b, '\t'), map[bool]string{true: "mptcp", false: "tcp"}[isMPTCP]...)
	up, down := f.Bytes()
	b = strconv.AppendInt(append(b, '\t'), up, 10)
	b = strconv.AppendInt(append(b, '\t'), down, 10)
	for _, l := range s.lines {
		b = append(append(b, '\t'), l.name...)
		b = strconv.AppendUint(append(b, '\t'), l.up, 10)
		b = strconv.AppendUint(append(b, '\t'), l.down, 10)
	}
	return append(b, '\n')
}

func (s *showing) list() shownList {
	text := make([]byte, 0, 100*len(s.flows))
	for _, f := range s.flows {
		text = append(text, s.rows[f]...)
	}
	return shownList{Total: s.total, Flows: string(text)}
}

// biggest returns the flows that carried most, the biggest first.
func biggest(open []*flows.Flow, limit int) []*flows.Flow {
	if limit <= 0 {
		limit = showFlows
	}
	type sized struct {
		flow  *flows.Flow
		bytes int64
	}
	all := make([]sized, len(open))
	for i, f := range open {
		up, down := f.Bytes()
		all[i] = sized{f, up + down}
	}
	order.Slice(all, func(i, j int) bool { return all[i].bytes > all[j].bytes })
	first := make([]*flows.Flow, min(limit, maxShown, len(all)))
	for i := range first {
		first[i] = all[i].flow
	}
	return first
}
