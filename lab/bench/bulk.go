package bench

import (
	"context"
	"fmt"
	"time"

	labnet "tandem/lab/net"
)

// Bulk is how fast, and at what price, bulk goes through a rival.
type Bulk struct {
	Gbit float64    `json:"gbit"`
	CPU  [2]float64 `json:"cpu_s_per_gb"` // router, concentrator
	N    int        `json:"n"`
}

var bulk = Section{Name: "bulk", Title: "Bulk, lines without rate or delay", Run: runBulk}

// way is a number of flows and a direction.
type way struct {
	flows int
	up    bool
}

func (w way) String() string {
	return fmt.Sprintf("%d %s", w.flows, map[bool]string{false: "down", true: "up"}[w.up])
}

var ways = []way{{1, false}, {8, false}, {64, false}, {1, true}, {8, true}, {64, true}}

func runBulk(ctx context.Context, o Options) (Outcome, error) {
	var text string
	figures := map[string]map[string]Bulk{}
	var plot bars
	err := withField(ctx, o, labnet.Spec{PlainWANs: true}, func(f *field) error {
		if r := f.startRaw(o); r != nil {
			f.rivals = append(f.rivals, r)
		}
		samples := map[string]map[way][]sample{}
		err := interleave(ctx, o.Rounds, f.rivals, func(round int, r *rival) error {
			if samples[r.name] == nil {
				samples[r.name] = map[way][]sample{}
			}
			for _, w := range ways {
				o.Say(fmt.Sprintf("round %d of %d, %s, %s", round+1, o.Rounds, r.name, w))
				const warm, d = 200 * time.Millisecond, 600 * time.Millisecond
				s, err := f.bulkOf(ctx, r, w, warm, d)
				if err != nil {
					return err
				}
				samples[r.name][w] = append(samples[r.name][w], s)
			}
			return nil
		})
		if last := f.rivals[len(f.rivals)-1].name; ctx.Err() != nil && len(samples[last][ways[0]]) >= 3 {
			err = nil // who stops it gets what there is
		}
		text, plot = bulkReport(f, samples, figures), bulkPlot(f, figures)
		return err
	})
	return Outcome{Figures: figures, Markdown: text, Plots: map[string]string{"bulk": plot.String()}}, err
}

func (f *field) bulkOf(ctx context.Context, r *rival, w way, warm, d time.Duration) (sample, error) {
	if r.name == raw {
		return f.bulkRaw(ctx, w.flows, w.up, warm, d)
	}
	return f.bulk(ctx, r, w.flows, w.up, warm, d)
}

func bulkOfSamples(list []sample) Bulk {
	var rate, router, server []float64
	for _, s := range list {
		rate = append(rate, s.Gbit)
		if s.Gbit > 0 {
			router, server = append(router, s.CPU[0]), append(server, s.CPU[1])
		}
	}
	return Bulk{median(rate), [2]float64{median(router), median(server)}, len(list)}
}

func bulkReport(f *field, samples map[string]map[way][]sample, figures map[string]map[string]Bulk) string {
	var columns []string
	for _, w := range ways {
		columns = append(columns, w.String())
	}
	t := newTable(columns...)
	n := 0
	for _, r := range f.rivals {
		figures[r.name] = map[string]Bulk{}
		for _, w := range ways {
			b := bulkOfSamples(samples[r.name][w])
			figures[r.name][w.String()] = b
			n = b.N
			if len(r.ends) == 0 && r.name != raw {
				t.add(r.name, "%.1f", b.Gbit)
			} else {
				t.add(r.name, "%.1f (%.2f/%.2f)", b.Gbit, b.CPU[0], b.CPU[1])
			}
		}
	}
	return fmt.Sprintf("Gbit/s (processor seconds per GB at the router/at the concentrator) by number of flows and direction; medians of %d interleaved rounds. %s\n\n%s", n, f.notes(), t)
}

func bulkPlot(f *field, figures map[string]map[string]Bulk) bars {
	p := bars{title: "Bulk through both ends, lines without rate or delay", unit: "Gbit/s"}
	for _, w := range ways {
		g := group{name: w.String()}
		for _, r := range f.rivals {
			g.bars = append(g.bars, bar{r.name, figures[r.name][w.String()].Gbit})
		}
		p.groups = append(p.groups, g)
	}
	return p
}
