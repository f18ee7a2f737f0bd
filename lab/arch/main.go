// Command arch runs tandem-cpe on another processor: a real kernel in QEMU with
// three network devices, between a LAN host and a concentrator in namespaces of
// this machine. It moves checked data both ways over both lines, looks at the
// SYNs on the wire and takes a line away.
//
//	arch [--cache DIR] [--mib N] [--compare ROUNDS] mipsle|mips|arm|arm64 ...
//	arch --modes ...
//
// With --compare it measures instead what receiving over MPTCP takes of the
// guest's processor, beside a plain relay (compare.go, copy).
//
// Reading order: here (what is tested), network.go, guest.go, traffic.go,
// modes.go (what flows do on such a kernel in other modes than bond),
// guest/main.go (process 1 of the guest), fetch (where the kernels come from).
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"tandem/shared/smalljson"
)

func main() {
	home, _ := os.UserCacheDir()
	cache := flag.String("cache", filepath.Join(home, "tandem-arch"), "where kernels are kept")
	mib := flag.Int("mib", 100, "MiB to move each way")
	limit := flag.Duration("time", 20*time.Minute, "most that one guest may take")
	modes := flag.Bool("modes", false, "show the modes overflow and failover instead")
	record := flag.String("json", "", "write what was measured to this file")
	rounds := flag.Int("compare", 0, "instead, compare the processor time with a plain relay's, in so many rounds")
	shift := flag.Int("shift", 1, "then: an instruction of the guest takes 2 to the power of this, in ns")
	dsl, lte := flag.Int("dsl", 50, "then: rate of a line in Mbit/s"), flag.Int("lte", 100, "then: rate of the other")
	flag.Parse()
	passed, failed := 0, 0
	var results []result
	var comparisons []comparison
	for _, arch := range flag.Args() {
		ctx, cancel := context.WithTimeout(context.Background(), *limit)
		var text string
		var err error
		switch {
		case *modes:
			var s any
			s, err = runModes(ctx, arch, *cache)
			text = fmt.Sprintf("%+v", s)
		case *rounds > 0:
			var c comparison
			c, err = compare(ctx, arch, *cache, int64(*mib)<<20, *rounds, &slowness{*shift, [2]int{*dsl, *lte}})
			comparisons, text = append(comparisons, c), c.String()
		default:
			var r result
			r, err = run(ctx, arch, *cache, int64(*mib)<<20)
			results, text = append(results, r), fmt.Sprintf("%+v", r)
		}
		cancel()
		if err != nil {
			fmt.Printf("FAIL %s: %v\n", arch, err)
			failed++
			continue
		}
		fmt.Printf("ok   %s: %s\n", arch, text)
		passed++
	}
	if *record != "" {
		text, err := smalljson.MarshalIndent(results)
		if *rounds > 0 {
			text, err = smalljson.MarshalIndent(comparisons)
		}
		if err == nil {
			err = os.WriteFile(*record, append(text, '\n'), 0o644)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "arch:", err)
			os.Exit(1)
		}
	}
	fmt.Printf("%d passed, %d failed\n", passed, failed)
	if failed > 0 || passed == 0 {
		os.Exit(1)
	}
}

// result is what one guest showed.
type result struct {
	Arch        string  `json:"arch"`
	Kernel      string  `json:"kernel"`
	BootSeconds float64 `json:"boot_seconds"`
	DownMbit    float64 `json:"down_mbit"`
	UpMbit      float64 `json:"up_mbit"`
	SYNPayloads int     `json:"syn_payloads"` // MP_CAPABLE SYNs that carried data
	Lesser      float64 `json:"lesser_share"` // of the line that carried less, down and up together
	CutStall    float64 `json:"cut_stall"`    // seconds without a byte when a line died under a download
	IdleKB      int     `json:"rss_idle_kb"`  // of the daemon, just started
	LiveKB      int     `json:"rss_1000_kb"`  // with 1,000 open flows
	Flows       int     `json:"flows"`        // open when LiveKB was read
}

func run(ctx context.Context, arch, cache string, size int64) (r result, err error) {
	r.Arch = arch
	n, err := newNetwork()
	defer n.close()
	if err != nil {
		return r, err
	}
	begun := time.Now()
	g, err := boot(ctx, n, arch, cache, nil)
	if err != nil {
		return r, err
	}
	defer g.close()
	r.BootSeconds, r.Kernel = time.Since(begun).Seconds(), g.kernel
	if err := n.awaitUp(ctx, g.ended); err != nil {
		return r, fmt.Errorf("%w; the guest said:\n%s", err, g.said())
	}
	if r.IdleKB, err = n.memory(); err != nil {
		return r, err
	}
	fail := func(what string, err error) (result, error) {
		status, _ := n.ask("status")
		state, _ := n.ask("state")
		before := g.said()
		_, _ = n.ask("goroutines") // the last that the guest says
		return r, fmt.Errorf("%s: %w\nstatus: %s\nstate: %s\nthe guest said:\n%s\nand of the daemon's goroutines:\n%s", what, err, status, state, before, g.said())
	}

	before := n.carried()
	took, _, err := n.move(ctx, down, size, nil)
	if err != nil {
		return fail("download", err)
	}
	r.DownMbit = mbit(size, took)
	if took, _, err = n.move(ctx, up, size, nil); err != nil {
		return fail("upload", err)
	}
	r.UpMbit = mbit(size, took)
	after := n.carried()
	dsl, lte := float64(after[0]-before[0]), float64(after[1]-before[1])
	if r.Lesser = min(dsl, lte) / (dsl + lte); r.Lesser < 0.05 {
		return fail("both lines", fmt.Errorf("one carried %.1f %% only", 100*r.Lesser))
	}
	if r.SYNPayloads = n.synPayloads(); r.SYNPayloads == 0 {
		return fail("SYN data", fmt.Errorf("no MP_CAPABLE SYN carried any, of %d SYNs", n.syns()))
	}

	// The line that carries more dies without a sign, a third into a download.
	victim := "dsl"
	if lte > dsl {
		victim = "lte"
	}
	_, stall, err := n.move(ctx, down, size, func() error { return n.cut(victim, true) })
	if err != nil {
		return fail("download while "+victim+" dies", err)
	}
	r.CutStall = stall.Seconds()
	if err := n.cut(victim, false); err != nil {
		return r, err
	}

	if r.Flows, r.LiveKB, err = n.manyFlows(ctx, 1000); err != nil {
		return fail("1,000 flows", err)
	}
	return r, g.stop(ctx)
}

func mbit(bytes int64, took time.Duration) float64 {
	return float64(int(float64(bytes)*8/took.Seconds()/1e5)) / 10
}

// memory is the daemon's resident memory in kB.
func (n *network) memory() (int, error) {
	text, err := n.ask("memory")
	if err != nil {
		return 0, err
	}
	kb, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return 0, fmt.Errorf("memory: %q", text)
	}
	return kb, nil
}
