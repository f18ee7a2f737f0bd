package bench

import (
	"context"
	"fmt"
	"time"

	"tandem/lab/house"
	labnet "tandem/lab/net"
)

// FirstByte is the time from the LAN host's SYN to the first byte of an HTTP
// answer, over a round trip of 60 ms: medians in ms.
type FirstByte struct {
	Tandem  float64 `json:"ttfb_ms"`
	SYNData float64 `json:"syn_data_ttfb_ms"`
	Direct  float64 `json:"direct_ttfb_ms"`
	N       int     `json:"ttfb_connections"`
}

var firstByte = Section{Name: "firstbyte", Title: "Time to first byte", Run: runFirstByte}

// sixtyMS are two lines with a round trip of 60 ms.
var sixtyMS = labnet.Spec{WANs: []labnet.WAN{
	{Name: "dsl", Link: labnet.Symmetric(50e6, 20e6, 30*time.Millisecond)},
	{Name: "lte", Link: labnet.Symmetric(50e6, 20e6, 30*time.Millisecond)},
}}

func runFirstByte(ctx context.Context, o Options) (Outcome, error) {
	r := FirstByte{N: 20}
	err := inHouse(ctx, o, sixtyMS, func(h *house.House) error {
		o.Say("60 ms round trip")
		times := map[string][]float64{}
		ask := func(_ int, source string) error {
			took, err := h.FirstByte(ctx, source, house.Server4)
			times[source] = append(times[source], ms(took))
			return err
		}
		if err := interleave(ctx, r.N, []string{house.Direct4, ""}, ask); err != nil {
			return err
		}
		r.Direct, r.Tandem = median(times[house.Direct4]), median(times[""])
		if err := h.WriteCPE("\toption syn_data 'on'\n", ""); err != nil {
			return err
		}
		if err := h.ReloadCPE(ctx); err != nil {
			return err
		}
		times[""] = nil
		if err := interleave(ctx, r.N, []string{""}, ask); err != nil {
			return err
		}
		r.SYNData = median(times[""])
		return nil
	})
	return Outcome{Figures: r, Markdown: fmt.Sprintf(`From the LAN host's SYN to the first byte of an HTTP answer, over a round trip of 60 ms; medians of %d, ms.

| Tandem | with the request in the SYN | direct |
|---|---|---|
| %.1f | %.1f | %.1f |
`, r.N, r.Tandem, r.SYNData, r.Direct)}, err
}
