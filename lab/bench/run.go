package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/tandem-mptcp/tandem/lab/house"
	labnet "github.com/tandem-mptcp/tandem/lab/net"
)

// Options say what to measure with.
type Options struct {
	Binaries string
	Short    int // short connections
	Parallel int
	Rounds   int
	Say      func(string) // progress
}

const firstBytes = 20

// Run measures everything. It takes some four minutes.
func Run(ctx context.Context, o Options) (r Report, err error) {
	r = Report{Date: today(), Machine: machine(), Rounds: o.Rounds, FirstBytes: firstBytes}
	for _, part := range []struct {
		spec    labnet.Spec
		measure func(context.Context, *house.House, Options, *Report) error
	}{
		{labnet.Spec{PlainWANs: true}, unshaped},
		{labnet.Spec{WANs: []labnet.WAN{
			{Name: "dsl", Link: labnet.Symmetric(50e6, 20e6, 30*time.Millisecond)},
			{Name: "lte", Link: labnet.Symmetric(50e6, 20e6, 30*time.Millisecond)},
		}}, latency},
		{labnet.Spec{}, bonded},
	} {
		h, err := house.Build(ctx, house.Options{Spec: part.spec, Binaries: o.Binaries})
		if err == nil {
			err = part.measure(ctx, h, o, &r)
		}
		if h != nil {
			err = errors.Join(err, h.Close())
		}
		if err != nil {
			return r, err
		}
	}
	return r, nil
}

// unshaped measures what the programs can do, on lines without limits.
func unshaped(ctx context.Context, h *house.House, o Options, r *Report) (err error) {
	r.FDsBefore = descriptors(h)
	for _, s := range []struct {
		name, source string
		to           *Short
	}{{"direct", house.Direct4, &r.ShortDirect}, {"through Tandem", "", &r.ShortTandem}} {
		o.Say(fmt.Sprintf("%d short connections %s", o.Short, s.name))
		if *s.to, err = short(ctx, h, s.source, o.Short, o.Parallel); err != nil {
			return err
		}
	}
	if err := settled(ctx, h); err != nil {
		return err
	}
	r.FDsAfter, r.RSS = descriptors(h), [2]int{rss(h.CPE.PID()), rss(h.Concentrator.PID())}

	var rates [4][]float64
	for round := range o.Rounds {
		o.Say(fmt.Sprintf("bulk, round %d of %d", round+1, o.Rounds))
		for i, m := range []struct {
			source string
			rate   func(context.Context, string, time.Duration, func(int64)) (float64, error)
		}{{"", h.DownRate}, {house.Direct4, h.DownRate}, {"", h.UpRate}, {house.Direct4, h.UpRate}} {
			bits, err := m.rate(ctx, m.source, 2*time.Second, nil)
			if err != nil {
				return err
			}
			rates[i] = append(rates[i], bits/1e9)
		}
	}
	r.DownTandem, r.DownDirect, r.UpTandem, r.UpDirect = median(rates[0]), median(rates[1]), median(rates[2]), median(rates[3])
	return nil
}

// latency measures what waits for the lines.
func latency(ctx context.Context, h *house.House, o Options, r *Report) error {
	o.Say("time to first byte")
	var direct, tandem, synData []float64
	for range firstBytes {
		if err := firstByte(ctx, h, house.Direct4, &direct); err != nil {
			return err
		}
		if err := firstByte(ctx, h, "", &tandem); err != nil {
			return err
		}
	}
	if err := h.WriteCPE("\toption syn_data 'on'\n", ""); err != nil {
		return err
	}
	if err := h.ReloadCPE(ctx); err != nil {
		return err
	}
	for range firstBytes {
		if err := firstByte(ctx, h, "", &synData); err != nil {
			return err
		}
	}
	r.FirstByteDirect, r.FirstByte, r.FirstByteSYNData = median(direct), median(tandem), median(synData)

	o.Say("concentrator stopped, and back")
	if err := h.Concentrator.Stop(10 * time.Second); err != nil {
		return err
	}
	var without []float64
	for range 10 {
		if err := firstByte(ctx, h, "", &without); err != nil {
			return err
		}
	}
	r.WithoutWorst = slices.Max(without)
	if err := h.StartConcentrator(ctx); err != nil {
		return err
	}
	back := time.Now()
	before, err := h.Status()
	if err != nil {
		return err
	}
	for {
		if err := firstByte(ctx, h, "", &without); err != nil {
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
}

// bonded compares one connection over both lines of the usual house (DSL 20/5
// Mbit/s, 15 ms; LTE 50/20 Mbit/s, 30 ms) with one over each alone.
func bonded(ctx context.Context, h *house.House, o Options, r *Report) error {
	for _, m := range []struct {
		name string
		rate func(context.Context, string, time.Duration, func(int64)) (float64, error)
		to   *Bonded
	}{{"download", h.DownRate, &r.BondedDown}, {"upload", h.UpRate, &r.BondedUp}} {
		for _, part := range []struct {
			name, source string
			d            time.Duration
			to           *float64
		}{
			{"DSL alone", house.Direct4, 20 * time.Second, &m.to.DSL},
			{"LTE alone", house.DirectLTE4, 20 * time.Second, &m.to.LTE},
			{"both", "", 60 * time.Second, &m.to.Tandem},
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
}

func firstByte(ctx context.Context, h *house.House, source string, to *[]float64) error {
	took, err := h.FirstByte(ctx, source, house.Server4)
	*to = append(*to, ms(took))
	return err
}

// settled waits until no flow is open and descriptors are back, or says which
// stay.
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

func descriptors(h *house.House) (n [2]int) {
	for i, d := range []*house.Daemon{h.CPE, h.Concentrator} {
		entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", d.PID()))
		n[i] = len(entries)
	}
	return n
}

// rss is resident memory in kB.
func rss(pid int) (kb int) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for _, line := range strings.Split(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			fmt.Sscan(rest, &kb)
		}
	}
	return kb
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}
