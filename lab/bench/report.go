package bench

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Report is everything that one run measured.
type Report struct {
	Date    string `json:"date"`
	Machine string `json:"machine"`
	Rounds  int    `json:"rounds"`

	ShortTandem Short `json:"short_tandem"`
	ShortDirect Short `json:"short_direct"`

	// Medians, Gbit/s on lines without rate and delay.
	DownTandem float64 `json:"down_gbit"`
	DownDirect float64 `json:"direct_down_gbit"`
	UpTandem   float64 `json:"up_gbit"`
	UpDirect   float64 `json:"direct_up_gbit"`

	// Medians over a round trip of 60 ms.
	FirstByte        float64 `json:"ttfb_ms"`
	FirstByteSYNData float64 `json:"syn_data_ttfb_ms"`
	FirstByteDirect  float64 `json:"direct_ttfb_ms"`
	FirstBytes       int     `json:"ttfb_connections"`

	// Worst of Failures connections after the concentrator was stopped, and
	// how long after its return the first went through it again.
	WithoutWorst float64 `json:"concentrator_gone_worst_ms"`
	BackAfter    float64 `json:"concentrator_back_ms"`

	BondedDown Bonded `json:"bonded_down"`
	BondedUp   Bonded `json:"bonded_up"`

	// Descriptors and resident memory after all flows have ended.
	FDsBefore [2]int `json:"descriptors_before"` // CPE, concentrator
	FDsAfter  [2]int `json:"descriptors_after"`
	RSS       [2]int `json:"rss_kb_after"`
}

// Bonded is the goodput of one connection in Mbit/s.
type Bonded struct {
	DSL      float64 `json:"dsl_mbit"`
	LTE      float64 `json:"lte_mbit"`
	Tandem   float64 `json:"tandem_mbit"`
	Fraction float64 `json:"fraction"` // of the sum of both alone
}

// Markdown writes the report as a section of docs/performance.md.
func (r Report) Markdown(w io.Writer) {
	fmt.Fprintf(w, `# Figures

Written by `+"`make bench`"+` on %s; %s. Both ends, hosts, servers and the emulated lines share that machine, so compare columns, not machines.

| what | Tandem | direct | n |
|---|---|---|---|
| short connections, %d in parallel, per second | %.0f | %.0f | %d |
| … median / p99 / worst, ms | %.1f / %.1f / %.1f | %.1f / %.1f / %.1f | |
| … failed | %d | %d | |
| one download, lines without rate or delay, Gbit/s | %.1f | %.1f | median of %d |
| one upload, likewise | %.1f | %.1f | median of %d |
| first byte, 60 ms round trip, ms | %.1f | %.1f | median of %d |
| … with the request in the SYN | %.1f | | median of %d |
| concentrator stopped: worst new connection, ms | %.0f | | 10 |
| concentrator back: first connection through it after, ms | %.0f | | 1 |

One connection over the house's two lines (DSL 20/5 Mbit/s, 15 ms one way; LTE 50/20 Mbit/s, 30 ms; queues of one bandwidth-delay product), Mbit/s of payload; 20 s alone, 60 s over both:

| | DSL alone | LTE alone | Tandem | of the sum |
|---|---|---|---|---|
| download | %.1f | %.1f | %.1f | %.3f |
| upload | %.1f | %.1f | %.1f | %.3f |

After the %d short connections had ended: descriptors %d (CPE) and %d (concentrator), before %d and %d; resident memory %.1f and %.1f MB.
`, r.Date, r.Machine,
		r.ShortTandem.Parallel, r.ShortTandem.PerSecond, r.ShortDirect.PerSecond, r.ShortTandem.Connections,
		r.ShortTandem.P50ms, r.ShortTandem.P99ms, r.ShortTandem.Worstms, r.ShortDirect.P50ms, r.ShortDirect.P99ms, r.ShortDirect.Worstms,
		r.ShortTandem.Failed, r.ShortDirect.Failed,
		r.DownTandem, r.DownDirect, r.Rounds, r.UpTandem, r.UpDirect, r.Rounds,
		r.FirstByte, r.FirstByteDirect, r.FirstBytes, r.FirstByteSYNData, r.FirstBytes,
		r.WithoutWorst, r.BackAfter,
		r.BondedDown.DSL, r.BondedDown.LTE, r.BondedDown.Tandem, r.BondedDown.Fraction,
		r.BondedUp.DSL, r.BondedUp.LTE, r.BondedUp.Tandem, r.BondedUp.Fraction,
		r.ShortTandem.Connections, r.FDsAfter[0], r.FDsAfter[1], r.FDsBefore[0], r.FDsBefore[1],
		float64(r.RSS[0])/1024, float64(r.RSS[1])/1024)
}

// machine says what this ran on.
func machine() string {
	cpu := "unknown processor"
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); {
			if name, value, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
				cpu = strings.TrimSpace(value)
				break
			}
		}
	}
	var u unix.Utsname
	_ = unix.Uname(&u)
	return fmt.Sprintf("%d × %s, Linux %s, %s", runtime.NumCPU(), cpu, unix.ByteSliceToString(u.Release[:]), runtime.Version())
}

func today() string { return time.Now().Format("2006-01-02") }
