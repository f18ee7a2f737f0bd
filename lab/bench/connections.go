package bench

import (
	"context"
	"fmt"
	"sync"
	"time"

	labnet "tandem/lab/net"
)

// Rate is how many short connections go through a rival, and at what price.
type Rate struct {
	PerSecond float64    `json:"per_second"`
	CPU       [2]float64 `json:"cpu_us_per_connection"` // router, concentrator
	P50       float64    `json:"p50_ms"`
	P99       float64    `json:"p99_ms"`
	P999      float64    `json:"p999_ms"`
	N         int        `json:"n"`
}

var connections = Section{Name: "connections", Title: "Short connections", Run: runConnections}

var parallels = []int{1, 64, 512}

func runConnections(ctx context.Context, o Options) (Outcome, error) {
	figures := map[string]map[string]Rate{}
	var text string
	plot := bars{title: "Short connections, lines without rate or delay", unit: "per second"}
	err := withField(ctx, o, labnet.Spec{PlainWANs: true}, func(f *field) error {
		type key struct {
			name     string
			parallel int
		}
		samples := map[key]*rateSamples{}
		err := interleave(ctx, o.Rounds, f.rivals, func(round int, r *rival) error {
			for _, parallel := range parallels {
				o.Say(fmt.Sprintf("round %d of %d, %s, %d in parallel", round+1, o.Rounds, r.name, parallel))
				k := key{r.name, parallel}
				if samples[k] == nil {
					samples[k] = new(rateSamples)
				}
				if err := f.rate(ctx, r, parallel, time.Second, samples[k]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		var columns []string
		for _, p := range parallels {
			columns = append(columns, fmt.Sprintf("%d parallel", p))
		}
		t := newTable(append(columns, "p50 / p99 / p99.9 at 64, ms")...)
		for _, r := range f.rivals {
			figures[r.name] = map[string]Rate{}
			for _, p := range parallels {
				rate := samples[key{r.name, p}].rate()
				figures[r.name][fmt.Sprint(p)] = rate
				if len(r.ends) == 0 {
					t.add(r.name, "%.0f", rate.PerSecond)
				} else {
					t.add(r.name, "%.0f (%.0f/%.0f)", rate.PerSecond, rate.CPU[0], rate.CPU[1])
				}
			}
			at64 := figures[r.name]["64"]
			t.add(r.name, "%.1f / %.1f / %.1f", at64.P50, at64.P99, at64.P999)
		}
		for _, p := range parallels {
			g := group{name: fmt.Sprintf("%d in parallel", p)}
			for _, r := range f.rivals {
				g.bars = append(g.bars, bar{r.name, figures[r.name][fmt.Sprint(p)].PerSecond})
			}
			plot.groups = append(plot.groups, g)
		}
		text = fmt.Sprintf("Connections a second (processor time of one at the router/at the concentrator, µs), one byte there and one back; medians of %d interleaved rounds of 1 s; percentiles of all. %s\n\n%s", o.Rounds, f.notes(), t)
		return nil
	})
	return Outcome{Figures: figures, Markdown: text, Plots: map[string]string{"connections": plot.String()}}, err
}

// rateSamples gathers the rounds of one rival.
type rateSamples struct {
	mu             sync.Mutex
	perSecond      []float64
	router, server []float64
	times          []float64
}

func (s *rateSamples) rate() Rate {
	return Rate{median(s.perSecond), [2]float64{median(s.router), median(s.server)},
		percentile(s.times, 50), percentile(s.times, 99), percentile(s.times, 99.9), len(s.perSecond)}
}

// rate makes short connections for d, so many at a time.
func (f *field) rate(ctx context.Context, r *rival, parallel int, d time.Duration, to *rateSamples) error {
	var wg sync.WaitGroup
	var failure error
	begin, cpu, end := time.Now(), f.cpu(r), time.Now().Add(d)
	n := 0
	for range parallel {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				at := time.Now()
				if at.After(end) {
					return
				}
				err := oneByte(ctx, f.House, r.source)
				took := ms(time.Since(at))
				to.mu.Lock()
				n++
				to.times = append(to.times, took)
				if err != nil {
					failure = fmt.Errorf("through %s: %w", r.name, err)
				}
				to.mu.Unlock()
				if err != nil {
					return
				}
			}
		}()
	}
	wg.Wait()
	to.perSecond = append(to.perSecond, float64(n)/time.Since(begin).Seconds())
	now := f.cpu(r)
	to.router = append(to.router, (now[0]-cpu[0])/float64(n)*1e6)
	to.server = append(to.server, (now[1]-cpu[1])/float64(n)*1e6)
	return failure
}
