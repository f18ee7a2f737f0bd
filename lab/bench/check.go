package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// floor is a ratio within one run that must hold whatever the machine. The
// bounds leave room for noise: they catch what is broken, not what is a little
// slower.
type floor struct {
	what        string
	value       func(figures) float64
	least, most float64 // 0: no bound
}

// figures are a run's, by section.
type figures struct {
	bulk, wan   map[string]map[string]Bulk
	connections map[string]map[string]Rate
	memory      map[string]*Memory
	beside      map[string]Beside
}

var floors = []floor{
	{"8 downloads, of raw MPTCP's rate", func(f figures) float64 { return f.bulk["Tandem"]["8 down"].Gbit / f.bulk[raw]["8 down"].Gbit }, .2, 0},
	{"8 uploads, of raw MPTCP's rate", func(f figures) float64 { return f.bulk["Tandem"]["8 up"].Gbit / f.bulk[raw]["8 up"].Gbit }, .2, 0},
	{"download over 50 + 100 Mbit/s, of raw MPTCP's rate", func(f figures) float64 { return f.wan["Tandem"]["1 down"].Gbit / f.wan[raw]["1 down"].Gbit }, .95, 0},
	{"upload over 50 + 100 Mbit/s, of raw MPTCP's rate", func(f figures) float64 { return f.wan["Tandem"]["1 up"].Gbit / f.wan[raw]["1 up"].Gbit }, .95, 0},
	{"its processor time at the router, of raw MPTCP's", func(f figures) float64 { return f.wan["Tandem"]["1 down"].CPU[0] / f.wan[raw]["1 down"].CPU[0] }, 0, 3},
	{"its processor time at the concentrator, of raw MPTCP's", func(f figures) float64 { return f.wan["Tandem"]["1 up"].CPU[1] / f.wan[raw]["1 up"].CPU[1] }, 0, 3},
	{"short connections, 64 parallel, of plain routing's", func(f figures) float64 {
		return f.connections["Tandem"]["64"].PerSecond / f.connections[plain]["64"].PerSecond
	}, .12, 0},
	{"KB per idle connection, router", func(f figures) float64 { return f.memory["Tandem"].Idle[len(idleSteps)-1].KB[0] }, 0, 6},
	{"KB per idle connection, concentrator", func(f figures) float64 { return f.memory["Tandem"].Idle[len(idleSteps)-1].KB[1] }, 0, 6},
	{"descriptors per idle connection, router", func(f figures) float64 { return f.memory["Tandem"].Descriptors[0] }, 0, 2.05},
	{"descriptors per idle connection, concentrator", func(f figures) float64 { return f.memory["Tandem"].Descriptors[1] }, 0, 2.05},
	{"median round trip beside a stream, ms more than alone", func(f figures) float64 { return f.beside["Tandem"].Beside[0] - f.beside["Tandem"].Alone[0] }, 0, 1},
	{"its 99th percentile, ms more than alone", func(f figures) float64 { return f.beside["Tandem"].Beside[1] - f.beside["Tandem"].Alone[1] }, 0, 8},
}

// Check measures what the floors need, and says which do not hold.
func Check(ctx context.Context, o Options) (text string, err error) {
	o.Rivals = []string{"Tandem", plain, raw}
	for _, s := range []Section{bulk, wan, connections, beside, memory} {
		o.Only = append(o.Only, s.Name)
	}
	r, err := Run(ctx, o)
	if err != nil {
		return "", err
	}
	var f figures
	f.bulk, _ = r.Sections[bulk.Name].(map[string]map[string]Bulk)
	f.wan, _ = r.Sections[wan.Name].(map[string]map[string]Bulk)
	f.connections, _ = r.Sections[connections.Name].(map[string]map[string]Rate)
	f.memory, _ = r.Sections[memory.Name].(map[string]*Memory)
	f.beside, _ = r.Sections[beside.Name].(map[string]Beside)
	if m := f.memory["Tandem"]; f.bulk[raw] == nil || m == nil || len(m.Idle) < len(idleSteps) {
		return "", fmt.Errorf("cannot compare: iperf3 or mptcpize is missing, or idle connections were not carried")
	}
	var lines, failed []string
	for _, floor := range floors {
		value := floor.value(f)
		bound := fmt.Sprintf("at least %.2f", floor.least)
		good := value >= floor.least
		if floor.most > 0 {
			bound = fmt.Sprintf("at most %.2f", floor.most)
			good = value <= floor.most
		}
		line := fmt.Sprintf("%-55s %6.2f   %s", floor.what, value, bound)
		if !good {
			line += "   FAILED"
			failed = append(failed, floor.what)
		}
		lines = append(lines, line)
	}
	if len(failed) > 0 {
		err = fmt.Errorf("below the floor: %s", strings.Join(slices.Compact(failed), "; "))
	}
	return strings.Join(lines, "\n") + "\n", err
}
