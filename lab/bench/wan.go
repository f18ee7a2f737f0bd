package bench

import (
	"context"
	"fmt"
	"slices"
	"time"

	labnet "tandem/lab/net"
)

var wan = Section{Name: "wan", Title: "One flow over lines of 50 and 100 Mbit/s", Run: runWAN}

// fiftyHundred is what a good DSL line and LTE bring: some 13,000 packets a
// second, for many of which a receiver is woken.
var fiftyHundred = labnet.Spec{WANs: []labnet.WAN{
	{Name: "dsl", Link: labnet.Symmetric(50e6, 50e6, 10*time.Millisecond)},
	{Name: "lte", Link: labnet.Symmetric(100e6, 100e6, 15*time.Millisecond)},
}}

func runWAN(ctx context.Context, o Options) (Outcome, error) {
	figures := map[string]map[string]Bulk{}
	var text string
	plot := bars{title: "Processor time at the end that receives over MPTCP, 50 + 100 Mbit/s", unit: "s/GB"}
	err := withField(ctx, o, fiftyHundred, func(f *field) error {
		if r := f.startRaw(o); r != nil {
			f.rivals = append(f.rivals, r)
		}
		// One line alone is no rival, and shadowsocks encrypts: its price is
		// that of the bulk section.
		f.rivals = slices.DeleteFunc(f.rivals, func(r *rival) bool {
			return r.name == plain || r.name == "shadowsocks-libev"
		})
		samples := map[string]map[way][]sample{}
		rounds := min(o.Rounds, 3) // steady: the lines decide
		err := interleave(ctx, rounds, f.rivals, func(round int, r *rival) error {
			if samples[r.name] == nil {
				samples[r.name] = map[way][]sample{}
			}
			for _, w := range wanWays {
				o.Say(fmt.Sprintf("round %d of %d, %s, %s", round+1, rounds, r.name, w))
				s, err := f.bulkOf(ctx, r, w, 1500*time.Millisecond, 3*time.Second)
				if err != nil {
					return err
				}
				samples[r.name][w] = append(samples[r.name][w], s)
			}
			return nil
		})
		t := newTable("down, Mbit/s", "receiver, s/GB", "sender", "up, Mbit/s", "receiver", "sender")
		for i, w := range wanWays {
			g := group{name: map[bool]string{false: "router, download", true: "concentrator, upload"}[w.up]}
			for _, r := range f.rivals {
				b := bulkOfSamples(samples[r.name][w])
				if figures[r.name] == nil {
					figures[r.name] = map[string]Bulk{}
				}
				figures[r.name][w.String()] = b
				t.add(r.name, "%.1f", b.Gbit*1000)
				t.add(r.name, "%.1f", b.CPU[i])
				t.add(r.name, "%.1f", b.CPU[1-i])
				g.bars = append(g.bars, bar{r.name, b.CPU[i]})
			}
			plot.groups = append(plot.groups, g)
		}
		text = fmt.Sprintf("Goodput of one flow, and processor seconds per GB at the end that receives over MPTCP (what a weak router feels) and at the one that sends; 10 and 15 ms one way; medians of %d interleaved rounds of 3 s. %s\n\n%s", rounds, f.notes(), t)
		return err
	})
	return Outcome{Figures: figures, Markdown: text, Plots: map[string]string{"wan": plot.String()}}, err
}

// wanWays are in the order of the ends that receive.
var wanWays = []way{{1, false}, {1, true}}
