package e2e

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-mptcp/tandem/cpe/ruleset"
	"github.com/tandem-mptcp/tandem/lab/house"
	labnet "github.com/tandem-mptcp/tandem/lab/net"
)

// TestOwnMark watches all TCP that either daemon's host sends, on all of eight
// lines: each packet has the daemons' mark, so no rule can ever mistake it for
// traffic to be intercepted.
func TestOwnMark(t *testing.T) {
	t.Parallel()
	h := build(t, house.Options{Spec: labnet.Spec{WANs: labnet.DefaultWANs(labnet.MaxWANs)}})
	ctx := within(t, 2*time.Minute)
	hosts := []*labnet.Host{h.Host("cpe"), h.Host("core")}
	for _, host := range hosts {
		watchMarks(t, ctx, host)
	}

	held := dial(t, h, house.Server4, house.EchoPort)
	if err := say(held, "hello\n"); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, "a connection has 8 subflows", func() bool { return widest(t, ctx, h) == labnet.MaxWANs })

	check := func(name string, f func(*testing.T, *house.House, string)) {
		for _, server := range []string{house.Server4, house.Server6} {
			t.Run(name+" "+server, func(t *testing.T) { f(t, h, server) })
		}
	}
	check("server speaks first", serverFirst)
	check("half-close", halfClose)
	check("refused", refused)
	check("server resets", serverResets)
	check("client resets", clientResets)
	check("nothing said", nothingSaid)
	check("both ways at once", bothWays)
	check("short flows", shortFlows)
	check("bulk while lines go", bulkWhileLinesGo)
	if err := say(held, "still there\n"); err != nil {
		t.Errorf("a connection held over all of it: %v", err)
	}
	held.Close()
	eventually(t, 20*time.Second, "all flows have ended", func() bool { return status(t, h).Flows.Open == 0 })
	if got := status(t, h).Flows; got.Direct != 0 || got.MPTCP != got.Relayed {
		t.Errorf("flows %+v: want all relayed by MPTCP", got)
	}

	for _, host := range hosts {
		all, unmarked, what := marks(t, ctx, host)
		t.Logf("%s sent %d TCP packets, %d without the mark", host.Name(), all, unmarked)
		if all < 1000 {
			t.Errorf("%s: only %d packets seen: the counter does not look where the daemon sends", host.Name(), all)
		}
		if unmarked != 0 {
			t.Errorf("%s: %d packets without the daemon's mark:\n%s", host.Name(), unmarked, what)
		}
	}
	err := h.Host("cpe").Do(func() error {
		counters, err := ruleset.NFT{}.Counters(ctx)
		if err == nil && counters.Unmarked.Packets != 0 {
			t.Errorf("the cpe's own counter saw %d packets without the mark", counters.Unmarked.Packets)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// watchMarks counts the TCP packets that a host itself sends, and keeps a
// record of those without the mark. On cpe and core only the daemons send TCP.
func watchMarks(t *testing.T, ctx context.Context, host *labnet.Host) {
	t.Helper()
	run(t, ctx, host, "nft", fmt.Sprintf(`
table inet tandem-marks {
	counter sent { }
	counter unmarked { }
	set what4 {
		typeof meta mark . ip saddr . tcp sport . ip daddr . tcp dport . tcp flags
		flags dynamic
		counter
	}
	set what6 {
		typeof meta mark . ip6 saddr . tcp sport . ip6 daddr . tcp dport . tcp flags
		flags dynamic
		counter
	}
	chain output {
		type filter hook output priority 300;
		meta l4proto != tcp return
		counter name sent
		meta mark & %#x == %#x return
		counter name unmarked
		meta nfproto ipv4 add @what4 { meta mark . ip saddr . tcp sport . ip daddr . tcp dport . tcp flags }
		meta nfproto ipv6 add @what6 { meta mark . ip6 saddr . tcp sport . ip6 daddr . tcp dport . tcp flags }
	}
}`, ruleset.MarkMask, ruleset.MarkOwn))
}

func marks(t *testing.T, ctx context.Context, host *labnet.Host) (all, unmarked int, what string) {
	t.Helper()
	text := run(t, ctx, host, "nft", "list", "table", "inet", "tandem-marks")
	count := func(name string) int {
		m := regexp.MustCompile(`counter ` + name + ` \{\s*packets (\d+)`).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("no counter %q in:\n%s", name, text)
		}
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return count("sent"), count("unmarked"), text
}

// widest is the largest number of established subflows of a connection of the
// cpe.
func widest(t *testing.T, ctx context.Context, h *house.House) (most int) {
	t.Helper()
	out := run(t, ctx, h.Host("cpe"), "ss", "-Htni", "state", "established", "dport = :5124")
	subflows := map[string]int{} // by the token of the concentrator's end
	for _, m := range regexp.MustCompile(`token:[0-9a-f]+\(id:\d+\)/([0-9a-f]+)\(`).FindAllStringSubmatch(out, -1) {
		subflows[m[1]]++
		most = max(most, subflows[m[1]])
	}
	return most
}

// shortFlows makes 100 connections, 10 at a time.
func shortFlows(t *testing.T, h *house.House, server string) {
	ctx := within(t, time.Minute)
	var wg sync.WaitGroup
	for range 10 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 10 {
				if _, err := h.FirstByte(ctx, "", server); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	wg.Wait()
}

// bulkWhileLinesGo moves 32 MB each way while a line loses packets and others
// are switched off and on, so that subflows end in the middle.
func bulkWhileLinesGo(t *testing.T, h *house.House, server string) {
	ctx := within(t, time.Minute)
	lossy := h.Link("wan8")
	if err := lossy.Change(func(c *labnet.LinkConfig) { c.Down.Loss, c.Up.Loss = 0.02, 0.02 }); err != nil {
		t.Fatal(err)
	}
	lines := []string{"wan3", "dsl", "wan5", "lte"} // the first subflow is on dsl
	for name, move := range map[string]func(context.Context, string, string, int64) error{"down": h.Download, "up": h.Upload} {
		done := make(chan error, 1)
		go func() { done <- move(ctx, "", server, 32<<20) }()
		changes := 0
		for ; len(done) == 0; changes++ {
			line := lines[changes/2%len(lines)]
			off := changes%2 == 0
			if err := h.Link(line).SetDown(off); err != nil {
				t.Fatal(err)
			}
			eventually(t, 20*time.Second, line+" has no endpoint, or one again", func() bool {
				return strings.Contains(run(t, ctx, h.Host("cpe"), "ip", "mptcp", "endpoint"), "dev "+line) != off
			})
		}
		for _, line := range lines {
			if err := h.Link(line).SetDown(false); err != nil {
				t.Fatal(err)
			}
		}
		if err := <-done; err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if changes < 2 {
			t.Errorf("%s: it ended before a line could go", name)
		}
		t.Logf("%s: %d changes of lines", name, changes)
	}
}
