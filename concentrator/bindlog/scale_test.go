package bindlog_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"tandem/concentrator/bindlog"
	"tandem/concentrator/connect"
)

// 10,000 clients share 8 addresses for an hour: no port is two clients' within
// the quarantine, and the log alone tells whose each one was.
func TestBlocksAtScale(t *testing.T) {
	const clients, size = 10_000, 32
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	var log bytes.Buffer
	b := bindlog.NewBlocks(bindlog.Range{Low: 1024, High: 65535}, size, bindlog.Slog{Logger: slog.New(slog.NewTextHandler(&log, nil))}, func() time.Time { return now })
	var addresses connect.Sources
	for i := range 8 {
		addresses = append(addresses, netip.AddrFrom4([4]byte{203, 0, 113, byte(1 + i)}))
	}
	type flow struct {
		client string
		local  netip.AddrPort
	}
	type use struct {
		flow
		at time.Time
	}
	last := make(map[netip.AddrPort]use) // the last time that each port was used
	var asked []use                      // some of them, to look up
	open := make([][]flow, 120)          // by the second in which they end
	r := rand.New(rand.NewPCG(1, 2))
	picks := 0
	address := make(map[string]netip.Addr)
	used := func(f flow) {
		before, ok := last[f.local]
		if ok && before.client != f.client && now.Sub(before.at) < bindlog.Quarantine {
			t.Fatalf("%s is %s's %s after it was %s's", f.local, f.client, now.Sub(before.at), before.client)
		}
		last[f.local] = use{f, now}
	}
	for second := range 3600 {
		for _, f := range open[second%len(open)] {
			used(f)
			b.Release(f.client, f.local)
		}
		open[second%len(open)] = open[second%len(open)][:0]
		for range 200 {
			// A few are very busy; most make a connection now and then.
			n := int(float64(clients) * r.Float64() * r.Float64() * r.Float64())
			client := fmt.Sprint("client-", n)
			local := addresses.For(client, false)
			port, ok := b.Pick(client, local)
			if !ok {
				t.Fatalf("second %d: %s gets no port", second, client)
			}
			picks++
			if a, ok := address[client]; ok && a != local {
				t.Fatalf("%s has %s and %s", client, a, local)
			}
			address[client] = local
			f := flow{client, netip.AddrPortFrom(local, port)}
			used(f)
			if r.IntN(1000) == 0 {
				asked = append(asked, use{f, now})
			}
			ends := (second + 1 + r.IntN(len(open)-1)) % len(open)
			open[ends] = append(open[ends], f)
		}
		now = now.Add(time.Second)
	}
	lines := bytes.Count(log.Bytes(), []byte("\n"))
	t.Logf("%d connections, %d lines, %d look-ups", picks, lines, len(asked))
	if lines > picks/5 {
		t.Errorf("%d lines for %d connections", lines, picks)
	}
	if len(asked) > 40 {
		asked = asked[:40]
	}
	for _, q := range asked {
		client, ok, err := bindlog.Find(bytes.NewReader(log.Bytes()), q.local, q.at)
		if client != q.client || !ok || err != nil {
			t.Errorf("%s at %s: %q %v %v, want %s", q.local, q.at, client, ok, err, q.client)
		}
	}
}
