package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tandem/lab/house"
	labnet "tandem/lab/net"
)

// guard counts what leaves a host by TCP from or to the Convert port without
// the mark of a Tandem daemon; in core, also what goes to the servers.
const guard = `table inet tandem-guard {
	counter unmarked {}
	counter marked {}
	chain output {
		type filter hook output priority 0;
		meta mark & 0x30000000 == 0x20000000 tcp dport 5124 counter name marked
		meta mark & 0x30000000 == 0x20000000 tcp sport 5124 counter name marked
		meta mark & 0x30000000 == 0x20000000 return
		tcp dport 5124 counter name unmarked
		tcp sport 5124 counter name unmarked
		oifname "net" tcp flags & rst == rst return
		oifname "net" meta l4proto tcp counter name unmarked
	}
}
`

// TestLoopGuard makes connections of eight subflows, ends them in every way,
// takes lines away under them, and finds no packet without its mark.
func TestLoopGuard(t *testing.T) {
	t.Parallel()
	h := build(t, house.Options{Spec: labnet.Spec{WANs: labnet.DefaultWANs(labnet.MaxWANs)}})
	ctx := within(t, 2*time.Minute)
	for _, host := range []string{"cpe", "core"} {
		cmd := h.Host(host).Command(ctx, "nft", "-f", "-")
		cmd.Stdin = strings.NewReader(guard)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}

	most := 0
	watch := func(int64) {
		if n := subflows(t, h); n > most {
			most = n
		}
	}
	last := time.Time{}
	paced := func(n int64) {
		if time.Since(last) > 200*time.Millisecond {
			last = time.Now()
			watch(n)
		}
	}
	if _, err := h.DownRate(ctx, "", 3*time.Second, paced); err != nil {
		t.Fatal(err)
	}
	if _, err := h.UpRate(ctx, "", 2*time.Second, nil); err != nil {
		t.Fatal(err)
	}
	if most < labnet.MaxWANs {
		t.Errorf("at most %d subflows of one connection seen, want %d", most, labnet.MaxWANs)
	}
	for range 20 {
		if err := oneByte(ctx, h); err != nil {
			t.Fatal(err)
		}
	}
	halfClose(t, h, house.Server4)
	serverResets(t, h, house.Server4)
	clientResets(t, h, house.Server4)
	refused(t, h, house.Server4)
	// Lines come and go under a download.
	flap := time.Now()
	downed := ""
	if _, err := h.DownRate(ctx, "", 4*time.Second, func(int64) {
		if time.Since(flap) < 300*time.Millisecond {
			return
		}
		flap = time.Now()
		if downed != "" {
			_ = h.Link(downed).SetDown(false)
			downed = ""
			return
		}
		downed = "lte"
		_ = h.Link(downed).SetDown(true)
	}); err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"cpe", "core"} {
		out := run(t, ctx, h.Host(host), "nft", "list", "counters", "table", "inet", "tandem-guard")
		counts := map[string]int{}
		var name string
		for _, line := range strings.Split(out, "\n") {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "counter" {
				name = f[1]
			} else if len(f) > 1 && f[0] == "packets" {
				n := 0
				fmt.Sscan(f[1], &n)
				counts[name] = n
			}
		}
		if counts["unmarked"] != 0 || counts["marked"] == 0 {
			t.Errorf("%s: %d packets without the mark, %d with it", host, counts["unmarked"], counts["marked"])
		}
	}
	out := run(t, ctx, h.Host("cpe"), "nft", "list", "table", "inet", "tandem")
	if !strings.Contains(out, "counter") {
		t.Errorf("the CPE's own table has no counters:\n%s", out)
	}
}

// subflows counts those of the busiest MPTCP connection on the concentrator.
func subflows(t *testing.T, h *house.House) (most int) {
	t.Helper()
	out, err := h.Host("core").Run(t.Context(), "ss", "-tnHi", "state", "established", "sport", "=", ":5124")
	if err != nil {
		return 0
	}
	return strings.Count(out, "tcp-ulp-mptcp")
}
