package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"

	"tandem/concentrator/limits"
	"tandem/shared/control"
)

// clientState is what a client has open, and has moved this month; connections
// that are open count with what they have moved so far.
type clientState struct {
	Name   string `json:"name"`
	Open   int    `json:"open"`
	Setups int    `json:"setups"` // of these, whose server has not answered yet
	Up     int64  `json:"up_bytes"`
	Down   int64  `json:"down_bytes"`
}

func (d *concentrator) clientStates() []clientState {
	now := time.Now()
	all := make([]clientState, 0)
	for _, c := range d.server.admission.All() {
		all = append(all, stateOf(c, now))
	}
	slices.SortFunc(all, func(a, b clientState) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func stateOf(c *limits.Client, now time.Time) clientState {
	s := clientState{Name: c.Name()}
	s.Open, s.Setups = c.Open()
	v := c.Volume(now)
	s.Up, s.Down = v.Up, v.Down
	return s
}

// showClients prints every client once.
func showClients(o options, stdout io.Writer) error {
	path, err := o.control()
	if err != nil {
		return err
	}
	all, err := control.Ask[[]clientState](path, "clients")
	if err != nil {
		return err
	}
	if o.json {
		return control.PrintJSON(stdout, all)
	}
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "CLIENT\tOPEN\tUP THIS MONTH\tDOWN THIS MONTH\t")
	for _, c := range all {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t\n", c.Name, c.Open, size(c.Up), size(c.Down))
	}
	return w.Flush()
}

// top shows the clients once a second, the fastest first, until it is
// interrupted; without a terminal once.
func top(o options, stdout io.Writer) error {
	path, err := o.control()
	if err != nil {
		return err
	}
	before, err := control.Ask[[]clientState](path, "clients")
	if err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, unix.SIGINT, unix.SIGTERM)
	defer signal.Stop(stop)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-stop:
			return nil
		case <-tick.C:
		}
		now, err := control.Ask[[]clientState](path, "clients")
		if err != nil {
			return err
		}
		seconds := time.Since(last).Seconds()
		last = time.Now()
		text := renderTop(before, now, seconds)
		before = now
		if present(stdout) == nil { // no terminal
			_, err := io.WriteString(stdout, text)
			return err
		}
		fmt.Fprintf(stdout, "\x1b[H\x1b[2J%s  %d clients\n\n%s", last.Format(time.TimeOnly), len(now), text)
	}
}

// topRows fits a terminal.
const topRows = 20

// renderTop makes the table of rates between two moments.
func renderTop(before, now []clientState, seconds float64) string {
	old := make(map[string]clientState, len(before))
	for _, c := range before {
		old[c.Name] = c
	}
	// A new month begins at 0, a new client too.
	rate := func(now, before int64) float64 { return float64(max(now-before, 0)) * 8 / 1e6 / seconds }
	sum := func(c clientState) float64 { b := old[c.Name]; return rate(c.Up, b.Up) + rate(c.Down, b.Down) }
	now = slices.Clone(now)
	slices.SortStableFunc(now, func(a, b clientState) int {
		switch x, y := sum(a), sum(b); {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return b.Open - a.Open
	})
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "CLIENT\tOPEN\tUP Mbit/s\tDOWN Mbit/s\tUP THIS MONTH\tDOWN THIS MONTH\t")
	for _, c := range now[:min(len(now), topRows)] {
		b := old[c.Name]
		fmt.Fprintf(w, "%s\t%d\t%.2f\t%.2f\t%s\t%s\t\n", c.Name, c.Open, rate(c.Up, b.Up), rate(c.Down, b.Down), size(c.Up), size(c.Down))
	}
	w.Flush()
	return out.String()
}

// size writes bytes for people.
func size(n int64) string {
	f, unit := float64(n), ""
	for _, unit = range []string{"B", "kB", "MB", "GB", "TB"} {
		if f < 1000 {
			break
		}
		if unit != "TB" {
			f /= 1000
		}
	}
	if unit == "B" {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, unit)
}
