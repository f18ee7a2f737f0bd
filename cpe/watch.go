package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"tandem/shared/control"
	"tandem/shared/daemon"
	"tandem/shared/order"
)

// watchEvery is how often watch asks.
const watchEvery = time.Second

// watched is how many flows watch shows: those that carried most since the
// last look.
const watched = 15

// watch shows status and the busiest flows again and again.
func watch(o options, stdout io.Writer) error {
	ctx, stop := daemon.Signals(context.Background(), nil, nil)
	defer stop()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var before map[uint64]int64
	for {
		r, err := control.Ask[report](o.control(), "status")
		if err != nil {
			return err
		}
		l, err := control.Ask[flowList](o.control(), "flows")
		if err != nil {
			return err
		}
		var page bytes.Buffer
		r.Accounts = nil // LAN hosts and totals are what status is for
		r.print(&page)
		fmt.Fprintln(&page)
		before = l.busiest(before)
		l.print(&page)
		// Home and clear to the end rather than clear: no flicker.
		fmt.Fprintf(stdout, "\033[H\033[J%s", page.Bytes())
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// busiest keeps the flows that carried most since before, and returns what
// all have carried by now.
func (l *flowList) busiest(before map[uint64]int64) (now map[uint64]int64) {
	now = make(map[uint64]int64, len(l.Flows))
	moved := make(map[uint64]int64, len(l.Flows))
	for _, f := range l.Flows {
		now[f.ID] = f.Up + f.Down
		moved[f.ID] = now[f.ID] - before[f.ID]
	}
	order.Slice(l.Flows, func(i, j int) bool { return moved[l.Flows[i].ID] > moved[l.Flows[j].ID] })
	l.Flows = l.Flows[:min(watched, len(l.Flows))]
	return now
}
