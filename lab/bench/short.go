package bench

import (
	"context"
	"fmt"
	"time"

	"tandem/lab/house"
	labnet "tandem/lab/net"
)

// Short is many short connections, and what they leave behind.
type Short struct {
	Tandem Burst `json:"tandem"`
	Direct Burst `json:"direct"`
	// CPE and concentrator, before the connections and after all have ended.
	DescriptorsBefore [2]int `json:"descriptors_before"`
	DescriptorsAfter  [2]int `json:"descriptors_after"`
	RSSAfter          [2]int `json:"rss_kb_after"`
	// CPU is the processor time of each end per connection, in µs.
	CPU [2]float64 `json:"cpu_us_per_connection"`
}

var short = Section{Name: "short", Title: "Ten thousand short connections", Run: runShort}

func runShort(ctx context.Context, o Options) (Outcome, error) {
	const connections, parallel = 10_000, 64
	var r Short
	err := inHouse(ctx, o, labnet.Spec{PlainWANs: true}, func(h *house.House) (err error) {
		ends := [2]int{h.CPE.PID(), h.Concentrator.PID()}
		for i, pid := range ends {
			r.DescriptorsBefore[i], r.CPU[i] = descriptors(pid), -cpuSeconds(pid)
		}
		o.Say("direct")
		if r.Direct, err = burst(ctx, h, house.Direct4, connections, parallel); err != nil {
			return err
		}
		o.Say("through Tandem")
		if r.Tandem, err = burst(ctx, h, "", connections, parallel); err != nil {
			return err
		}
		if err := settled(ctx, h); err != nil {
			return err
		}
		for i, pid := range ends {
			r.DescriptorsAfter[i], r.RSSAfter[i] = descriptors(pid), rss(pid)
			r.CPU[i] = (r.CPU[i] + cpuSeconds(pid)) / connections * 1e6
		}
		return nil
	})
	row := func(name string, b Burst) string {
		return fmt.Sprintf("| %s | %.0f | %.1f | %.1f | %.1f | %d |\n", name, b.PerSecond, b.P50ms, b.P99ms, b.Worstms, b.Failed)
	}
	return Outcome{Figures: r, Markdown: fmt.Sprintf(`%d connections, %d in parallel, one byte there and one back; lines without rate or delay; n = 1.

| | per second | median, ms | p99 | worst | failed |
|---|---|---|---|---|---|
%s%s
When all had ended: descriptors %d (CPE) and %d (concentrator), before %d and %d; resident memory %.1f and %.1f MB. Processor time a connection: %.0f and %.0f µs.
`, connections, parallel, row("Tandem", r.Tandem), row("direct", r.Direct),
		r.DescriptorsAfter[0], r.DescriptorsAfter[1], r.DescriptorsBefore[0], r.DescriptorsBefore[1],
		float64(r.RSSAfter[0])/1024, float64(r.RSSAfter[1])/1024, r.CPU[0], r.CPU[1])}, err
}

// settled waits until no flow is open, or says how many stay.
func settled(ctx context.Context, h *house.House) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	for {
		s, err := h.Status()
		if err != nil {
			return err
		}
		if s.Flows.Open == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d flows stay open", s.Flows.Open)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
