package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"tandem/lab/house"
	labnet "tandem/lab/net"
)

// figures are what the demo measured; the JSON names are kept.
type figures struct {
	Down         float64 `json:"down_mbit"` // Tandem
	Up           float64 `json:"up_mbit"`
	DownFraction float64 `json:"down_fraction"` // of the sum of both lines alone
	UpFraction   float64 `json:"up_fraction"`
	DSLDown      float64 `json:"dsl_down_mbit"`
	DSLUp        float64 `json:"dsl_up_mbit"`
	LTEDown      float64 `json:"lte_down_mbit"`
	LTEUp        float64 `json:"lte_up_mbit"`

	FirstByte        float64 `json:"ttfb_ms"` // medians over the DSL line
	DirectFirstByte  float64 `json:"direct_ttfb_ms"`
	SYNDataFirstByte float64 `json:"syn_data_ttfb_ms"`
	Connections      int     `json:"ttfb_connections"` // of each kind

	SYNPayload int   `json:"syn_payload_bytes"` // of one MP_CAPABLE SYN, syn_data on
	MPTCP      bool  `json:"mptcp"`             // every flow was and stayed MPTCP
	Subflows   int   `json:"subflows"`          // of one download
	Seconds    int64 `json:"seconds"`
}

const (
	rateTime   = 7 * time.Second
	firstBytes = 20
)

// demo is the main job, shown: a host behind the CPE uses both lines.
func demo(ctx context.Context, args []string) (err error) {
	fs, name := newFlags("demo")
	keep := fs.Bool("keep", false, "leave lab and daemons running to play with")
	jsonFile := fs.String("json", "", "write the figures to this `file`")
	binaries := fs.String("binaries", "", "`folder` of the two daemons (default: the one of lab)")
	if err := parseOnly(fs, args); err != nil {
		return err
	}
	if *binaries == "" {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		*binaries = filepath.Dir(self)
	}
	begin := time.Now()
	p := newProgress(os.Stderr)
	p.say("raising the lab: DSL 20/5 Mbit/s, 15 ms one way; LTE 50/20 Mbit/s, 30 ms")
	h, err := house.Build(ctx, house.Options{Spec: labnet.Spec{Name: *name, Persistent: true}, Binaries: *binaries})
	kept := false
	defer func() {
		if h != nil && !kept {
			p.say("taking the lab down")
			err = errors.Join(err, h.Close())
		}
		p.done()
	}()
	if err != nil {
		return err
	}
	var f figures
	if err := measure(ctx, h, p, &f); err != nil {
		return err
	}
	f.Seconds = int64(time.Since(begin).Seconds())
	p.done()
	f.print(os.Stdout)
	if *jsonFile != "" {
		text, err := json.MarshalIndent(f, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(*jsonFile, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	if *keep {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		if err := h.Leave(self, "servers"); err != nil {
			return err
		}
		kept = true
		fmt.Printf("\nThe lab goes on. Try:\n  %[1]s exec lan -- curl -so /dev/null -w '%%{speed_download} bytes/s\\n' http://%[2]s/bytes/20000000\n  %[1]s link lte --loss 1%% --delay 60ms\n  %[1]s status\nConfiguration and logs are in %[3]s; %[1]s down removes the lab.\n", self, house.Server4, h.Dir)
	}
	return nil
}

// measure fills f.
func measure(ctx context.Context, h *house.House, p *progress, f *figures) error {
	for _, m := range []struct {
		what            string
		rate            rateFunc
		dsl, lte, both  *float64
		fraction        *float64
		countSubflowsTo *int
	}{
		{"download", h.DownRate, &f.DSLDown, &f.LTEDown, &f.Down, &f.DownFraction, &f.Subflows},
		{"upload", h.UpRate, &f.DSLUp, &f.LTEUp, &f.Up, &f.UpFraction, nil},
	} {
		for _, run := range []struct {
			name, source string
			to           *float64
		}{
			{m.what + " over DSL alone", house.Direct4, m.dsl},
			{m.what + " over LTE alone", house.DirectLTE4, m.lte},
			{m.what + " through Tandem", "", m.both},
		} {
			joins, err := joinSYNs(h)
			if err != nil {
				return err
			}
			bits, err := m.rate(ctx, run.source, rateTime, p.rate(run.name, rateTime))
			if err != nil {
				return fmt.Errorf("%s: %w", run.name, err)
			}
			*run.to = bits / 1e6
			if run.source == "" && m.countSubflowsTo != nil {
				now, err := joinSYNs(h)
				if err != nil {
					return err
				}
				*m.countSubflowsTo = 1 + int(now-joins)
			}
		}
		*m.fraction = *m.both / (*m.dsl + *m.lte)
	}
	var err error
	if f.DirectFirstByte, f.FirstByte, err = medianFirstBytes(ctx, h, p, "time to first byte"); err != nil {
		return err
	}
	// The same with the request in the SYN.
	if err := h.WriteCPE("\toption syn_data 'on'\n", ""); err != nil {
		return err
	}
	if err := h.ReloadCPE(ctx); err != nil {
		return err
	}
	before, err := synPayload(h)
	if err != nil {
		return err
	}
	if _, f.SYNDataFirstByte, err = medianFirstBytes(ctx, h, p, "time to first byte, request in the SYN"); err != nil {
		return err
	}
	after, err := synPayload(h)
	if err != nil {
		return err
	}
	f.Connections = firstBytes
	f.SYNPayload = int(after-before) / firstBytes
	s, err := h.Status()
	if err != nil {
		return err
	}
	f.MPTCP = s.Flows.Relayed > 0 && s.Flows.MPTCP == s.Flows.Relayed
	return nil
}

type rateFunc func(ctx context.Context, source string, d time.Duration, progress func(int64)) (float64, error)

// medianFirstBytes interleaves direct connections and those through Tandem.
func medianFirstBytes(ctx context.Context, h *house.House, p *progress, what string) (direct, tandem float64, err error) {
	var times [2][]float64
	for i := range firstBytes {
		p.say(fmt.Sprintf("%s… connection %d of %d", what, i+1, firstBytes))
		for k, source := range []string{house.Direct4, ""} {
			took, err := h.FirstByte(ctx, source, house.Server4)
			if err != nil {
				return 0, 0, fmt.Errorf("%s: %w", what, err)
			}
			times[k] = append(times[k], float64(took.Microseconds())/1e3)
		}
	}
	return median(times[0]), median(times[1]), nil
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// joinSYNs counts the MP_JOIN SYNs that the cpe has sent.
func joinSYNs(h *house.House) (n uint64, err error) {
	for _, l := range h.Links() {
		s, err := l.Stats()
		if err != nil {
			return 0, err
		}
		n += s.Up.JoinSYNs
	}
	return n, nil
}

// synPayload counts the bytes in MP_CAPABLE SYNs that the cpe has sent.
func synPayload(h *house.House) (n uint64, err error) {
	for _, l := range h.Links() {
		s, err := l.Stats()
		if err != nil {
			return 0, err
		}
		n += s.Up.CapableSYNPayload
	}
	return n, nil
}

func (f figures) print(out *os.File) {
	fmt.Fprintf(out, `
one TCP connection     DSL alone   LTE alone      Tandem   of the sum
download, Mbit/s     %11.1f %11.1f %11.1f   %9.0f%%
upload, Mbit/s       %11.1f %11.1f %11.1f   %9.0f%%

new connection            direct      Tandem   Tandem, request in the SYN
first byte after, ms %11.1f %11.1f   %11.1f      (median of %d)

bytes in the MP_CAPABLE SYN: %d    subflows: %d    MPTCP throughout: %s
`, f.DSLDown, f.LTEDown, f.Down, 100*f.DownFraction, f.DSLUp, f.LTEUp, f.Up, 100*f.UpFraction,
		f.DirectFirstByte, f.FirstByte, f.SYNDataFirstByte, f.Connections,
		f.SYNPayload, f.Subflows, map[bool]string{true: "yes", false: "no"}[f.MPTCP])
}

// serveForever is the hidden command that stands in for the servers in a lab
// that was left running.
func serveForever(ctx context.Context, _ []string) error {
	if err := house.Serve(listenHere); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
