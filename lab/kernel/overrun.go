package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"time"

	"tandem/cpe/config"
	"tandem/cpe/policy"
	"tandem/cpe/ruleset"
	"tandem/shared/mptcp"
)

// bigBuffer is what both daemons ask for.
const bigBuffer = 8 << 20

// overrun sends bulk over two subflows, with and without data in the SYN. What
// the client's stack acknowledged and threw away is counted by
// MPTcpExtNoDSSInWindow.
func overrun(ctx context.Context, b *bench) error {
	return b.compare(ctx, []*variant{
		{name: "no SYN data, kernel's buffer", way: way{gate: true}},
		{name: "SYN data, kernel's buffer", way: way{synData: true, gate: true}},
		{name: "SYN data, kernel's buffer, Tandem's rules", rules: true, way: way{synData: true, gate: true}},
		{name: "no SYN data, 8 MiB", way: way{gate: true, buffer: bigBuffer}},
		{name: "SYN data, 8 MiB", way: way{synData: true, gate: true, buffer: bigBuffer}},
		{name: "SYN data, 8 MiB, Tandem's rules", rules: true, way: way{synData: true, gate: true, buffer: bigBuffer}},
	})
}

// recipe is what both daemons do, with data in the SYN and without.
func recipe(ctx context.Context, b *bench) error {
	return b.compare(ctx, []*variant{
		{name: "no SYN data", rules: true, way: way{gate: true, buffer: bigBuffer}},
		{name: "SYN data", rules: true, way: way{synData: true, gate: true, buffer: bigBuffer}},
	})
}

// variant is a way to transfer, and what came of it.
type variant struct {
	name  string
	rules bool // tandem-cpe's own nftables rules, which rewrite the window of its SYNs
	way
	goodput []float64 // bit/s
	drops   int64
	joined  int
}

// compare transfers in each way, interleaved.
func (b *bench) compare(ctx context.Context, variants []*variant) error {
	for range b.rounds {
		for _, v := range variants {
			if err := b.setRules(ctx, v.rules); err != nil {
				return err
			}
			before := b.counter("NoDSSInWindow")
			goodput, joined, err := b.bulk(ctx, v.way)
			if err != nil {
				return fmt.Errorf("%s: %w", v.name, err)
			}
			v.goodput = append(v.goodput, goodput)
			v.drops += b.counter("NoDSSInWindow") - before
			if joined {
				v.joined++
			}
		}
	}
	for _, v := range variants {
		slices.Sort(v.goodput)
		fmt.Printf("  %-42s %6.1f Mbit/s (median of %d, %.1f to %.1f), %d with two subflows, NoDSSInWindow %d\n", v.name,
			v.goodput[len(v.goodput)/2]/1e6, len(v.goodput), v.goodput[0]/1e6, v.goodput[len(v.goodput)-1]/1e6, v.joined, v.drops)
	}
	return b.setRules(ctx, false)
}

// bulk fetches o.bytes, or what of them comes in good time, and returns the goodput, counted from the connection's
// first packet on.
func (b *bench) bulk(ctx context.Context, w way) (goodput float64, joined bool, err error) {
	l, err := b.listen(w, func(c *net.TCPConn) {
		_, _ = io.CopyN(c, zeros{}, b.bytes)
	})
	if err != nil {
		return 0, false, err
	}
	defer l.Close()
	begin := time.Now()
	c, err := b.dial(ctx, w)
	if err != nil {
		return 0, false, err
	}
	defer c.Close()
	// Twice what one line would take: what crawls is not waited for.
	limit := 20*time.Second + 2*time.Duration(float64(b.bytes)*8/float64(b.rate)*float64(time.Second))
	deadline(c, limit)
	n, err := io.CopyN(io.Discard, onlyReader{c}, b.bytes-1)
	if info, ierr := mptcp.Inspect(c); ierr == nil {
		joined = info.ExtraSubflows > 0
	}
	if err != nil && n == 0 {
		return 0, joined, err
	}
	return float64(n) * 8 / time.Since(begin).Seconds(), joined, nil
}

// setRules puts tandem-cpe's rules in force on cpe, or takes them away.
func (b *bench) setRules(ctx context.Context, on bool) error {
	if !on {
		return b.nft(ctx, "cpe", "table inet tandem\ndelete table inet tandem\n")
	}
	c := &config.Config{Port: 5125, Concentrators: []config.Concentrator{{Addresses: []netip.Addr{server.Addr()}, Port: server.Port()}}}
	return b.nft(ctx, "cpe", ruleset.Render(c, policy.Facts{}, ruleset.Intercept))
}

func (b *bench) nft(ctx context.Context, host, rules string) error {
	_, err := b.Host(host).Run(ctx, "nft", rules)
	return err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// onlyReader hides that a connection can do more, so that it is read as a
// program would.
type onlyReader struct{ io.Reader }
