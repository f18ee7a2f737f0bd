package e2e

import (
	"context"
	"sort"
	"sync"
	"testing"
	"time"

	"tandem/lab/house"
)

// rate measures a transfer, as House.DownRate does.
type rate = func(context.Context, string, time.Duration, func(int64)) (float64, error)

// TestBothLinesAtOnce compares one connection through Tandem with what DSL
// and LTE give one connection each, for 60 s each way.
func TestBothLinesAtOnce(t *testing.T) {
	h := build(t, house.Options{})
	ctx := within(t, 4*time.Minute)
	for _, tt := range []struct {
		name string
		rate rate
		bar  float64
	}{
		{"down", h.DownRate, 0.92},
		{"up", h.UpRate, 0.90},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// The lines alone can be measured together: they share nothing.
			var dsl, lte float64
			var errs [2]error
			var wg sync.WaitGroup
			wg.Add(2)
			go func() { defer wg.Done(); dsl, errs[0] = tt.rate(ctx, house.Direct4, 20*time.Second, nil) }()
			go func() { defer wg.Done(); lte, errs[1] = tt.rate(ctx, house.DirectLTE4, 20*time.Second, nil) }()
			wg.Wait()
			if errs[0] != nil || errs[1] != nil {
				t.Fatal(errs)
			}
			both, err := tt.rate(ctx, "", 60*time.Second, nil)
			if err != nil {
				t.Fatal(err)
			}
			fraction := both / (dsl + lte)
			t.Logf("%s: DSL %.1f, LTE %.1f, Tandem %.1f Mbit/s: %.3f of the sum", tt.name, dsl/1e6, lte/1e6, both/1e6, fraction)
			if fraction < tt.bar {
				t.Errorf("%.3f of the sum, want %.2f", fraction, tt.bar)
			}
		})
	}
	if got := status(t, h).Flows; got.Relayed != 2 || got.MPTCP != 2 {
		t.Errorf("flows %+v, want 2 by MPTCP", got)
	}
}

// TestFirstByte compares the time to the first byte of an HTTP answer with a
// direct connection's over the same line, from the very first connection on.
func TestFirstByte(t *testing.T) {
	for _, synData := range []string{"off", "on"} {
		t.Run("syn_data="+synData, func(t *testing.T) {
			o := sixty()
			o.CPE = "\toption syn_data '" + synData + "'\n"
			h := build(t, o)
			ctx := within(t, time.Minute)
			const n, roundTrip = 20, 60 * time.Millisecond
			var tandem, direct []time.Duration
			for range n {
				for _, way := range []struct {
					source string
					times  *[]time.Duration
				}{{"", &tandem}, {house.Direct4, &direct}} {
					took, err := h.FirstByte(ctx, way.source, house.Server4)
					if err != nil {
						t.Fatal(err)
					}
					*way.times = append(*way.times, took)
				}
			}
			first := tandem[0]
			mt, md := median(tandem), median(direct)
			t.Logf("median of %d: direct %v, Tandem %v (its very first connection %v)", n, md, mt, first)
			// How few milliseconds it adds depends on how busy the machine is
			// (make bench has the figure); that it adds no round trip does not.
			if mt > md+roundTrip/4 {
				t.Errorf("median first byte %v, direct %v: a round trip is %v", mt, md, roundTrip)
			}
			if first > md+roundTrip/2 {
				t.Errorf("the very first connection took %v, direct %v", first, md)
			}
		})
	}
}

func median(d []time.Duration) time.Duration {
	d = append([]time.Duration(nil), d...)
	sort.Slice(d, func(i, j int) bool { return d[i] < d[j] })
	return d[len(d)/2]
}
