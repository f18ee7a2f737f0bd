package bench

import (
	"context"
	"fmt"
	"time"

	"tandem/lab/house"
	labnet "tandem/lab/net"
)

// Bloat is the round trip over one line in ms: medians, and 95th percentiles.
type Bloat struct {
	Idle   [2]float64 `json:"idle_ms"`
	Direct [2]float64 `json:"direct_download_ms"` // over this line alone
	Tandem [2]float64 `json:"tandem_download_ms"`
}

var bloat = Section{Name: "bloat", Title: "Round trips during a download", Run: runBloat}

func runBloat(ctx context.Context, o Options) (Outcome, error) {
	figures := map[string]Bloat{}
	t := newTable("idle", "direct download over this line", "download through Tandem")
	err := inHouse(ctx, o, labnet.Spec{}, func(h *house.House) error {
		f := &field{House: h}
		var err error
		if f.load, err = newLoad(h); err != nil {
			return err
		}
		for _, line := range []struct{ name, host string }{{"DSL", house.Direct4}, {"LTE", house.DirectLTE4}} {
			var b Bloat
			for _, m := range []struct {
				during, source string
				to             *[2]float64
			}{{"idle", "none", &b.Idle}, {"direct download", line.host, &b.Direct}, {"download through Tandem", tandemSource, &b.Tandem}} {
				o.Say(line.name + ", " + m.during)
				if *m.to, err = f.roundTrips(ctx, line.host, m.source); err != nil {
					return err
				}
			}
			figures[line.name] = b
			for _, v := range [][2]float64{b.Idle, b.Direct, b.Tandem} {
				t.add(line.name, "%.0f / %.0f", v[0], v[1])
			}
		}
		return nil
	})
	return Outcome{Figures: figures, Markdown: fmt.Sprintf("Round trip of one byte that shares a line with a download of 6 s, in ms: median / 95th percentile. DSL 20 Mbit/s, 15 ms one way; LTE 50 Mbit/s, 30 ms; queues of one bandwidth-delay product; n = 1.\n\n%s", t)}, err
}

// roundTrips measures from one LAN host while another downloads.
func (f *field) roundTrips(ctx context.Context, from, downloader string) (r [2]float64, err error) {
	c, err := f.DialFrom(ctx, from, house.Server4, house.EchoPort)
	if err != nil {
		return r, err
	}
	defer c.Close()
	if downloader != "none" {
		bulk, err := f.DialFrom(ctx, downloader, house.Server4, sourcePort)
		if err != nil {
			return r, err
		}
		defer bulk.Close()
		go f.load.drain(bulk)
		time.Sleep(2 * time.Second) // past slow start
	}
	times, err := pingPong(c, 4*time.Second)
	return [2]float64{percentile(times, 50), percentile(times, 95)}, err
}
