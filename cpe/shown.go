package main

import (
	"slices"
	"sort"
	"strconv"
	"time"

	"github.com/tandem-mptcp/tandem/cpe/flows"
)

// shown asks for the flows as the LuCI page shows them: "flows shown 200". The
// page asks every few seconds, so that what it does not show is not gathered:
// the whole list is three times as long, and takes the router three times as
// much. rpcd besides hands on messages of at most 1 MiB.
const shown = "shown"

// shownList is the answer.
type shownList struct {
	Total int         `json:"total"`
	Flows []shownFlow `json:"flows"` // those that carried most, the biggest first
}

type shownFlow struct {
	ID          uint64      `json:"id"`
	Host        string      `json:"host"`
	Destination string      `json:"destination"`
	Age         int64       `json:"age"` // seconds
	Mode        string      `json:"mode"`
	MPTCP       bool        `json:"mptcp"`
	Up          int64       `json:"up"`
	Down        int64       `json:"down"`
	WANs        []shownLine `json:"wans"`
}

type shownLine struct {
	Name string `json:"name"`
	Up   uint64 `json:"up"`
	Down uint64 `json:"down"`
}

// Flows in one answer, if the page does not say and at most.
const (
	showFlows = 200
	maxShown  = 1000
)

// listed answers the request "flows".
func (d *cpe) listed(args []string) (any, error) {
	if len(args) == 2 && args[0] == shown {
		limit, err := strconv.Atoi(args[1])
		return d.shownFlows(limit, time.Now()), err
	}
	return d.flowList(), nil
}

func (d *cpe) shownFlows(limit int, now time.Time) shownList {
	open := d.proxy.flows.List()
	l := shownList{Total: len(open), Flows: []shownFlow{}}
	for _, f := range biggest(open, limit) {
		r := shownFlow{
			ID: f.ID, Host: f.Host.String(), Destination: f.Destination.String(), Age: int64(now.Sub(f.Started).Seconds()),
			Mode: f.Mode, WANs: []shownLine{},
		}
		r.Up, r.Down = f.Bytes()
		subflows, err := f.Subflows()
		r.MPTCP = err == nil
		for _, s := range subflows {
			wan, _ := d.proxy.lines.LineOf(s.Local.Addr())
			r.add(wan, s.BytesAcked, s.BytesReceived)
		}
		l.Flows = append(l.Flows, r)
	}
	return l
}

// biggest returns the flows that carried most, the biggest first.
func biggest(open []*flows.Flow, limit int) []*flows.Flow {
	if limit <= 0 {
		limit = showFlows
	}
	size := make(map[*flows.Flow]int64, len(open))
	for _, f := range open {
		up, down := f.Bytes()
		size[f] = up + down
	}
	sort.SliceStable(open, func(i, j int) bool { return size[open[i]] > size[open[j]] })
	return open[:min(limit, maxShown, len(open))]
}

// add counts a subflow's bytes for its line.
func (f *shownFlow) add(line string, up, down uint64) {
	i := slices.IndexFunc(f.WANs, func(l shownLine) bool { return l.Name == line })
	if i < 0 {
		i = len(f.WANs)
		f.WANs = append(f.WANs, shownLine{Name: line})
	}
	f.WANs[i].Up += up
	f.WANs[i].Down += down
}
