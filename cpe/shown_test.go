package main

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-mptcp/tandem/cpe/flows"
)

// carried is a flow's relay that has moved so many bytes.
type carried int64

func (c carried) Bytes() (up, down int64) { return 1, int64(c) }
func (carried) Server() syscall.Conn      { return nil }
func (carried) Abort(error)               {}

func TestShownFlows(t *testing.T) {
	now := time.Now()
	d := &cpe{proxy: new(proxy)}
	for i := range 2000 {
		f := &flows.Flow{Started: now.Add(-time.Minute), Mode: flows.Direct}
		f.Attach(carried(i % 997))
		d.proxy.flows.Add(f)
	}
	for limit, want := range map[int]int{0: showFlows, 10: 10, 5000: maxShown, -1: showFlows} {
		if l := d.shownFlows(limit, now); len(l.Flows) != want || l.Total != 2000 {
			t.Errorf("limit %d: %d flows of %d, want %d of 2000", limit, len(l.Flows), l.Total, want)
		}
	}
	if f := d.shownFlows(3, now).Flows[0]; f.Down != 996 || f.Up != 1 || f.Age != 60 || f.MPTCP {
		t.Errorf("first: %+v", f)
	}
	if answer, err := d.listed([]string{shown, "many"}); err == nil {
		t.Errorf("many flows: %+v", answer)
	}
}

func TestShownLines(t *testing.T) {
	var f shownFlow
	f.add("dsl", 1, 2)
	f.add("lte", 3, 4)
	f.add("dsl", 5, 6)
	if want := []shownLine{{"dsl", 6, 8}, {"lte", 3, 4}}; !slices.Equal(f.WANs, want) {
		t.Errorf("lines: %+v, want %+v", f.WANs, want)
	}
}
