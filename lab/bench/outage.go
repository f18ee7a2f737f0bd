package bench

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tandem/lab/house"
)

// Outage is what a LAN host feels when the concentrator stops and comes back.
type Outage struct {
	Connections  int     `json:"connections"`
	WithoutWorst float64 `json:"concentrator_gone_worst_ms"` // to the first byte
	BackAfter    float64 `json:"concentrator_back_ms"`       // first connection through it
}

var outage = Section{Name: "outage", Title: "Concentrator stopped, and back", Run: runOutage}

func runOutage(ctx context.Context, o Options) (Outcome, error) {
	r := Outage{Connections: 10}
	err := inHouse(ctx, o, sixtyMS, func(h *house.House) error {
		o.Say("stopped")
		var without []float64
		ask := func() error {
			took, err := h.FirstByte(ctx, "", house.Server4)
			without = append(without, ms(took))
			return err
		}
		if err := h.Concentrator.Stop(10 * time.Second); err != nil {
			return err
		}
		for range r.Connections {
			if err := ask(); err != nil {
				return err
			}
		}
		r.WithoutWorst = slices.Max(without)
		o.Say("back")
		if err := h.StartConcentrator(ctx); err != nil {
			return err
		}
		back := time.Now()
		before, err := h.Status()
		if err != nil {
			return err
		}
		for {
			if err := ask(); err != nil {
				return err
			}
			now, err := h.Status()
			if err != nil {
				return err
			}
			if now.Flows.Relayed > before.Flows.Relayed {
				r.BackAfter = ms(time.Since(back))
				return nil
			}
		}
	})
	return Outcome{Figures: r, Markdown: fmt.Sprintf(`Over a round trip of 60 ms. Concentrator stopped: the slowest of the next %d connections has its first byte after %.0f ms. Started again: the first connection goes through it after %.0f ms (n = 1).
`, r.Connections, r.WithoutWorst, r.BackAfter)}, err
}
