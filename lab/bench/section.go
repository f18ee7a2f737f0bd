package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tandem/lab/house"
	labnet "tandem/lab/net"
)

// Sections is everything that can be measured, in the order of the report.
var Sections = []Section{bulk, wan, connections, beside, memory, bloat, short, firstByte, warm, outage, bonded, scale, large}

// Section measures one thing.
type Section struct {
	Name  string // for --only, and its name in the JSON file
	Title string // its heading in the report
	Run   func(context.Context, Options) (Outcome, error)
	// OnlyNamed: it is left out unless asked for by name.
	OnlyNamed bool
}

// Outcome is what a section found.
type Outcome struct {
	Markdown string            // without heading
	Figures  any               // becomes JSON
	Plots    map[string]string // SVG by name; the report has them as performance-NAME.svg
}

// Options say what to measure, and with what.
type Options struct {
	Binaries string        // folder of the two daemons
	Peers    string        // folder of programs built for comparison
	Only     []string      // names of sections; none: all
	Rivals   []string      // to compare; none: all
	Rounds   int           // of what is measured in interleaved rounds
	Say      func(string)  // progress
	Stay     time.Duration // how long section large stays with all its connections
	Most     int           // connections of section large: steps beyond are left out
	Host     string        // of a guest: what it runs on
}

// Run measures, section by section.
func Run(ctx context.Context, o Options) (*Report, error) {
	var names []string
	for _, s := range Sections {
		names = append(names, s.Name)
	}
	for _, name := range o.Only {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("no section %q: want some of %s", name, strings.Join(names, ", "))
		}
	}
	r := newReport()
	if o.Host != "" {
		r.Machine += ", in " + o.Host
	}
	for _, s := range Sections {
		if (len(o.Only) > 0 || s.OnlyNamed) && !slices.Contains(o.Only, s.Name) {
			continue
		}
		say := o.Say
		o := o
		o.Say = func(text string) { say(s.Name + ": " + text) }
		load := LoadAverage()
		outcome, err := s.Run(ctx, o)
		if err != nil {
			return r, fmt.Errorf("section %q: %w", s.Name, err)
		}
		r.add(s, outcome, load)
	}
	return r, nil
}

// inHouse builds a house, runs f in it and takes it down.
func inHouse(ctx context.Context, o Options, spec labnet.Spec, f func(*house.House) error) (err error) {
	h, err := house.Build(ctx, house.Options{Spec: spec, Binaries: o.Binaries})
	if h != nil {
		defer func() { err = errors.Join(err, h.Close()) }()
	}
	if err != nil {
		return err
	}
	return f(h)
}

// interleave runs all rivals once per round, so that each meets the same moods
// of the machine. The order turns from round to round.
func interleave[R any](ctx context.Context, rounds int, rivals []R, measure func(round int, r R) error) error {
	for round := range rounds {
		for i := range rivals {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := measure(round, rivals[(i+round)%len(rivals)]); err != nil {
				return err
			}
		}
	}
	return nil
}
