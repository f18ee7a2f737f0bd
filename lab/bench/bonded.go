package bench

import (
	"context"
	"fmt"
	"time"

	"tandem/lab/house"
	labnet "tandem/lab/net"
)

// Bonded compares one connection over both lines with one over each alone.
type Bonded struct {
	Down Lines `json:"down"`
	Up   Lines `json:"up"`
}

// Lines is the goodput of one connection in Mbit/s.
type Lines struct {
	DSL      float64 `json:"dsl_mbit"`
	LTE      float64 `json:"lte_mbit"`
	Tandem   float64 `json:"tandem_mbit"`
	Fraction float64 `json:"fraction"` // of the sum of both alone
}

var bonded = Section{Name: "bonded", Title: "One connection over two lines", Run: runBonded}

// runBonded uses the usual house: DSL 20/5 Mbit/s, 15 ms; LTE 50/20 Mbit/s,
// 30 ms.
func runBonded(ctx context.Context, o Options) (Outcome, error) {
	const alone, together = 10 * time.Second, 30 * time.Second
	var r Bonded
	err := inHouse(ctx, o, labnet.Spec{}, func(h *house.House) error {
		for _, m := range []struct {
			name string
			rate func(context.Context, string, time.Duration, func(int64)) (float64, error)
			to   *Lines
		}{{"download", h.DownRate, &r.Down}, {"upload", h.UpRate, &r.Up}} {
			for _, part := range []struct {
				name, source string
				d            time.Duration
				to           *float64
			}{
				{"DSL alone", house.Direct4, alone, &m.to.DSL},
				{"LTE alone", house.DirectLTE4, alone, &m.to.LTE},
				{"both", "", together, &m.to.Tandem},
			} {
				o.Say(fmt.Sprintf("%s, %s, %s", m.name, part.name, part.d))
				bits, err := m.rate(ctx, part.source, part.d, nil)
				if err != nil {
					return err
				}
				*part.to = bits / 1e6
			}
			m.to.Fraction = m.to.Tandem / (m.to.DSL + m.to.LTE)
		}
		return nil
	})
	row := func(name string, l Lines) string {
		return fmt.Sprintf("| %s | %.1f | %.1f | %.1f | %.3f |\n", name, l.DSL, l.LTE, l.Tandem, l.Fraction)
	}
	return Outcome{Figures: r, Markdown: fmt.Sprintf(`One connection over the house's two lines (DSL 20/5 Mbit/s, 15 ms one way; LTE 50/20 Mbit/s, 30 ms; queues of one bandwidth-delay product), Mbit/s of payload; %s alone, %s over both; n = 1.

| | DSL alone | LTE alone | Tandem | of the sum |
|---|---|---|---|---|
%s%s`, alone, together, row("download", r.Down), row("upload", r.Up))}, err
}
