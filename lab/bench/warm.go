package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"tandem/lab/house"
	labnet "tandem/lab/net"
)

// Warm is what connections made in advance gain and cost.
type Warm struct {
	N       int                   `json:"n"`
	Near    map[string]WayFigures `json:"server_beside"` // by first_byte
	Far     map[string]WayFigures `json:"server_40ms"`
	Page    PageFigures           `json:"page"`
	MBWarm  float64               `json:"one_mb_warm_ms"`
	MBPlain float64               `json:"one_mb_plain_ms"`
	Idle    IdleFigures           `json:"idle"`
}

// WayFigures are medians in ms, Tandem's and the direct connection's in between.
type WayFigures struct {
	Tandem float64 `json:"tandem_ms"`
	Direct float64 `json:"direct_ms"`
}

// PageFigures are of one page: a connection, then 40 at once, then 40 more.
type PageFigures struct {
	Median      float64 `json:"median_ms"`
	Worst       float64 `json:"worst_ms"`
	Direct      float64 `json:"direct_median_ms"`
	DirectWorst float64 `json:"direct_worst_ms"`
	Hits        float64 `json:"hit_ratio"`
}

// IdleFigures are of a parked connection.
type IdleFigures struct {
	CPEBytes, ConcentratorBytes     float64
	CPEAlone, ConcentratorAlone     float64 // wake-ups a second with none parked
	CPEWakeups, ConcentratorWakeups float64 // a second, with 64 parked
}

var warm = Section{Name: "warm", Title: "Connections made in advance", Run: runWarm}

// firstByteWays are the values of first_byte.
var firstByteWays = []string{"warm", "syn", "plain", "auto"}

func runWarm(ctx context.Context, o Options) (Outcome, error) {
	r := Warm{N: 20, Near: map[string]WayFigures{}, Far: map[string]WayFigures{}}
	err := inHouse(ctx, o, sixtyMS, func(h *house.House) error {
		if err := compareWays(ctx, o, h, "server beside the concentrator", r.N, r.Near); err != nil {
			return err
		}
		if err := measurePage(ctx, o, h, &r.Page); err != nil {
			return err
		}
		if err := measureMegabyte(ctx, o, h, &r); err != nil {
			return err
		}
		return measureIdle(ctx, o, h, &r.Idle)
	})
	if err != nil {
		return Outcome{}, err
	}
	far := sixtyMS
	distance := labnet.Symmetric(1e9, 1e9, 20*time.Millisecond)
	far.ServerLink = &distance
	err = inHouse(ctx, o, far, func(h *house.House) error {
		return compareWays(ctx, o, h, "server 40 ms away", r.N, r.Far)
	})
	return Outcome{Figures: r, Markdown: r.markdown()}, err
}

// useWay reloads the CPE with a way and waits until it is ready for it.
func useWay(ctx context.Context, h *house.House, way, more string) error {
	if err := h.WriteCPE("\toption first_byte '"+way+"'\n"+more, ""); err != nil {
		return err
	}
	if err := h.ReloadCPE(ctx); err != nil {
		return err
	}
	if way == "syn" || way == "plain" {
		return nil
	}
	return poolReady(ctx, h, 1)
}

// poolReady waits until so many connections are ready, and all that are wanted.
func poolReady(ctx context.Context, h *house.House, least int) error {
	for {
		s, err := h.Status()
		if err != nil {
			return err
		}
		if w := s.Concentrators[0].Warm; w != nil && w.Ready >= max(least, w.Wanted) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func compareWays(ctx context.Context, o Options, h *house.House, where string, n int, into map[string]WayFigures) error {
	for _, way := range firstByteWays {
		o.Say(where + ", first_byte " + way)
		if err := useWay(ctx, h, way, ""); err != nil {
			return err
		}
		times := map[string][]float64{}
		err := interleave(ctx, n, []string{house.Direct4, ""}, func(_ int, source string) error {
			if source == "" && (way == "warm" || way == "auto") {
				if err := poolReady(ctx, h, 1); err != nil {
					return err
				}
			}
			took, err := h.FirstByte(ctx, source, house.Server4)
			times[source] = append(times[source], ms(took))
			return err
		})
		if err != nil {
			return err
		}
		into[way] = WayFigures{median(times[""]), median(times[house.Direct4])}
	}
	return nil
}

// measurePage loads a page twice: the first time the pool does not know how
// many connections a page takes.
func measurePage(ctx context.Context, o Options, h *house.House, into *PageFigures) error {
	o.Say("page loads")
	if err := useWay(ctx, h, "auto", ""); err != nil {
		return err
	}
	page := func(source string) ([]float64, error) {
		var mu sync.Mutex
		var times []float64
		var failed error
		at := func(n int) {
			var wg sync.WaitGroup
			for range n {
				wg.Add(1)
				go func() {
					defer wg.Done()
					took, err := h.FirstByte(ctx, source, house.Server4)
					mu.Lock()
					defer mu.Unlock()
					times = append(times, ms(took))
					if err != nil {
						failed = err
					}
				}()
			}
			wg.Wait()
		}
		at(1)
		at(40)
		time.Sleep(2 * time.Second) // the reader reads
		at(40)
		return times, failed
	}
	before, err := h.Status()
	if err != nil {
		return err
	}
	var tandem, direct []float64
	for range 3 {
		for _, source := range []string{house.Direct4, ""} {
			times, err := page(source)
			if err != nil {
				return err
			}
			if source == "" {
				tandem = append(tandem, times...)
			} else {
				direct = append(direct, times...)
			}
		}
	}
	after, err := h.Status()
	if err != nil {
		return err
	}
	hits := after.Concentrators[0].Warm.Hits - before.Concentrators[0].Warm.Hits
	*into = PageFigures{median(tandem), slices.Max(tandem), median(direct), slices.Max(direct), float64(hits) / float64(len(tandem))}
	return nil
}

func measureMegabyte(ctx context.Context, o Options, h *house.House, r *Warm) error {
	times := map[string][]float64{}
	for range 2 { // interleaved, four halves
		for _, way := range []string{"warm", "plain"} {
			o.Say("1 MB, first_byte " + way)
			if err := useWay(ctx, h, way, ""); err != nil {
				return err
			}
			for range r.N / 2 {
				if way == "warm" {
					if err := poolReady(ctx, h, 1); err != nil {
						return err
					}
					time.Sleep(300 * time.Millisecond) // until the second line has joined
				}
				begin := time.Now()
				if err := h.Download(ctx, "", house.Server4, 1<<20); err != nil {
					return err
				}
				times[way] = append(times[way], ms(time.Since(begin)))
			}
		}
	}
	r.MBWarm, r.MBPlain = median(times["warm"]), median(times["plain"])
	return nil
}

// measureIdle compares both daemons with none and with many parked.
func measureIdle(ctx context.Context, o Options, h *house.House, into *IdleFigures) error {
	o.Say("parked connections")
	const few, many = 16, 240
	resident := func(n int) (cpe, concentrator float64, err error) {
		more := fmt.Sprintf("\toption warm_min '%d'\n\toption warm_max '%d'\n", n, n)
		if err := useWay(ctx, h, "warm", more); err != nil {
			return 0, 0, err
		}
		if err := poolReady(ctx, h, n); err != nil {
			return 0, 0, err
		}
		time.Sleep(time.Second) // until the openers are gone
		return residentBytes(h.CPE.PID()), residentBytes(h.Concentrator.PID()), nil
	}
	if _, _, err := resident(many); err != nil { // what growing costs once
		return err
	}
	cpe0, far0, err := resident(few)
	if err != nil {
		return err
	}
	cpe1, far1, err := resident(many)
	if err != nil {
		return err
	}
	into.CPEBytes, into.ConcentratorBytes = (cpe1-cpe0)/(many-few), (far1-far0)/(many-few)
	watch := func() (cpe, concentrator float64) {
		time.Sleep(10 * time.Second) // until nobody looks for what has just moved
		const d = 10 * time.Second
		a, b := switches(h.CPE.PID()), switches(h.Concentrator.PID())
		time.Sleep(d)
		return (switches(h.CPE.PID()) - a) / d.Seconds(), (switches(h.Concentrator.PID()) - b) / d.Seconds()
	}
	if _, _, err := resident(64); err != nil {
		return err
	}
	into.CPEWakeups, into.ConcentratorWakeups = watch()
	if err := useWay(ctx, h, "plain", ""); err != nil {
		return err
	}
	into.CPEAlone, into.ConcentratorAlone = watch()
	return nil
}

func residentBytes(pid int) float64 {
	return statusField(fmt.Sprintf("/proc/%d/status", pid), "VmRSS:") * 1024
}

// switches counts how often the threads of a process have gone to sleep.
func switches(pid int) (n float64) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	for _, path := range tasks {
		n += statusField(path, "voluntary_ctxt_switches:")
	}
	return n
}

func statusField(path, name string) (v float64) {
	text, _ := os.ReadFile(path)
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, name) {
			fmt.Sscan(strings.TrimPrefix(line, name), &v)
		}
	}
	return v
}

func (r *Warm) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Time from the LAN host's SYN to the first byte of an HTTP answer, over a round trip of 60 ms to the concentrator; medians of %d, ms, with direct connections in between.\n\n", r.N)
	b.WriteString("| first_byte | server beside the concentrator | direct | ratio | server 40 ms away | direct | ratio |\n|---|---|---|---|---|---|---|\n")
	for _, way := range firstByteWays {
		n, f := r.Near[way], r.Far[way]
		fmt.Fprintf(&b, "| %s | %.1f | %.1f | %.2f | %.1f | %.1f | %.2f |\n", way, n.Tandem, n.Direct, n.Tandem/n.Direct, f.Tandem, f.Direct, f.Tandem/f.Direct)
	}
	p := r.Page
	fmt.Fprintf(&b, "\nA page of 1 + 40 connections and 40 more after 2 s, three times (first_byte auto): median first byte %.1f ms (direct %.1f, ratio %.2f), worst %.1f ms (direct %.1f); %.0f %% found a connection ready.\n",
		p.Median, p.Direct, p.Median/p.Direct, p.Worst, p.DirectWorst, 100*p.Hits)
	fmt.Fprintf(&b, "\n1 MB over both lines of 50 Mbit/s from the LAN host's SYN to the last byte: %.0f ms on a connection made in advance, %.0f ms on a new one (ratio %.2f).\n", r.MBWarm, r.MBPlain, r.MBWarm/r.MBPlain)
	i := r.Idle
	fmt.Fprintf(&b, "\nA parked connection costs %.0f bytes of resident memory in the router's daemon and %.0f in the concentrator's. With 64 parked the two wake up %.1f and %.1f times a second, with none %.1f and %.1f (voluntary context switches of all their threads, 10 s).\n",
		i.CPEBytes, i.ConcentratorBytes, i.CPEWakeups, i.ConcentratorWakeups, i.CPEAlone, i.ConcentratorAlone)
	return b.String()
}
