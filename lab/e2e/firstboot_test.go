package e2e

import (
	"fmt"
	"testing"
	"time"

	"tandem/lab/house"
)

// A router boots for the first time: its clock says 1970, no line has carrier
// or address, and they come up one after the other, late. The daemon starts,
// takes flows over as soon as there is a line, and uses the second.
func TestFirstBoot(t *testing.T) {
	t.Parallel()
	o := sixty()
	o.CPEProgram = cpeWithClock(t, -time.Since(time.Unix(0, 0)))
	h := build(t, o)
	ctx := within(t, 2*time.Minute)
	if err := h.CPE.Stop(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"dsl", "lte"} {
		if err := h.Link(line).SetDown(true); err != nil {
			t.Fatal(err)
		}
		run(t, ctx, h.Host("cpe"), "ip", "addr", "flush", "dev", line)
	}
	if err := h.StartCPE(ctx); err != nil {
		t.Fatal(err)
	}
	for i, line := range []struct{ name, address, gateway string }{
		{"dsl", "198.51.100.2", "198.51.100.1"}, {"lte", "198.51.100.130", "198.51.100.129"},
	} {
		if n := status(t, h).Flows.Relayed; i == 0 && n != 0 {
			t.Fatalf("%d flows were relayed without a line", n)
		}
		if err := h.Link(line.name).SetDown(false); err != nil {
			t.Fatal(err)
		}
		run(t, ctx, h.Host("cpe"), "sh", "-ec", fmt.Sprintf(`
			ip addr add %[1]s/30 dev %[2]s
			ip route replace default via %[3]s dev %[2]s metric %[4]d0
			ip route replace default via %[3]s dev %[2]s table 10%[4]d`, line.address, line.name, line.gateway, i+1))
		before := status(t, h).Flows.Relayed
		took := eventually(t, 20*time.Second, "a connection is relayed after "+line.name+" came up", func() bool {
			_, err := h.FirstByte(ctx, "", house.Server4)
			return err == nil && status(t, h).Flows.Relayed > before
		})
		eventually(t, 20*time.Second, line.name+" carries", func() bool { return askPaths(t, h).line(t, line.name).State == "up" })
		t.Logf("%s came up: relayed after %s", line.name, took)
	}
	if err := h.Download(ctx, "", house.Server4, 8<<20); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"dsl", "lte"} {
		s, err := h.Link(line).Stats()
		if err != nil {
			t.Fatal(err)
		}
		if s.Down.Bytes < 1<<20 {
			t.Errorf("%s carried %d of 8 MB only", line, s.Down.Bytes)
		}
	}
}
