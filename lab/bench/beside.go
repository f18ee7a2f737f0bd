package bench

import (
	"context"
	"fmt"
	"io"
	"time"

	"tandem/lab/house"
	labnet "tandem/lab/net"
)

// Beside is the round trip of one byte in ms.
type Beside struct {
	Alone  [3]float64 `json:"alone_ms"` // p50, p99, p99.9
	Beside [3]float64 `json:"beside_ms"`
	N      int        `json:"n"`
}

var beside = Section{Name: "beside", Title: "A byte there and back, beside a stream", Run: runBeside}

func runBeside(ctx context.Context, o Options) (Outcome, error) {
	figures := map[string]Beside{}
	var text string
	err := withField(ctx, o, labnet.Spec{PlainWANs: true}, func(f *field) error {
		alone, along := map[string][]float64{}, map[string][]float64{}
		err := interleave(ctx, o.Rounds, f.rivals, func(round int, r *rival) error {
			o.Say(fmt.Sprintf("round %d of %d, %s", round+1, o.Rounds, r.name))
			c, err := f.dial(ctx, r, house.EchoPort)
			if err != nil {
				return err
			}
			defer c.Close()
			times, err := pingPong(c, 400*time.Millisecond)
			if err != nil {
				return err
			}
			alone[r.name] = append(alone[r.name], times...)
			stream, err := f.dial(ctx, r, steadyPort)
			if err != nil {
				return err
			}
			defer stream.Close()
			go io.Copy(io.Discard, stream)
			time.Sleep(200 * time.Millisecond)
			times, err = pingPong(c, 800*time.Millisecond)
			along[r.name] = append(along[r.name], times...)
			return err
		})
		t := newTable("alone: p50 / p99 / p99.9", "beside: p50 / p99 / p99.9")
		for _, r := range f.rivals {
			b := Beside{N: len(along[r.name])}
			for i, p := range []float64{50, 99, 99.9} {
				b.Alone[i], b.Beside[i] = percentile(alone[r.name], p), percentile(along[r.name], p)
			}
			figures[r.name] = b
			t.add(r.name, "%.2f / %.2f / %.2f", b.Alone[0], b.Alone[1], b.Alone[2])
			t.add(r.name, "%.2f / %.2f / %.2f", b.Beside[0], b.Beside[1], b.Beside[2])
		}
		text = fmt.Sprintf("Round trip of one byte over a connection that has nothing else to carry, in ms, alone and beside a stream of 150 Mbit/s; lines without rate or delay, %d interleaved rounds, some %d round trips each. %s\n\n%s", o.Rounds, figures["Tandem"].N, f.notes(), t)
		return err
	})
	return Outcome{Figures: figures, Markdown: text}, err
}
