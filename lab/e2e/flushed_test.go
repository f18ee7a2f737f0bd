package e2e

import (
	"strings"
	"testing"
	"time"

	"tandem/lab/house"
)

// TestRulesFlushed deletes the daemon's nftables rules, as "service firewall
// stop" of OpenWrt does with all there are: they come back, an open connection
// goes on, and the next ones are relayed. A daemon that ends leaves none.
func TestRulesFlushed(t *testing.T) {
	t.Parallel()
	h := build(t, fast())
	ctx := within(t, time.Minute)
	cpe := h.Host("cpe")
	c := dial(t, h, house.Server4, house.EchoPort)
	if err := say(c, "before\n"); err != nil {
		t.Fatal(err)
	}
	there := func() bool { return strings.Contains(run(t, ctx, cpe, "nft", "list", "tables"), "inet tandem\n") }
	for _, how := range [][]string{
		{"nft", "delete", "table", "inet", "tandem"},
		{"nft", "flush", "ruleset"}, // takes the lab's own address translation too
	} {
		run(t, ctx, cpe, how[0], how[1:]...)
		took := eventually(t, 5*time.Second, "the rules are back after "+strings.Join(how, " "), there)
		t.Logf("%s: back after %s", strings.Join(how, " "), took.Round(time.Millisecond))
		if err := say(c, "after\n"); err != nil {
			t.Errorf("the open connection: %v", err)
		}
		before := status(t, h).Flows
		if err := h.Download(ctx, "", house.Server4, 1<<20); err != nil {
			t.Error(err)
		}
		if f := status(t, h).Flows; f.Relayed != before.Relayed+1 || f.Direct != 0 {
			t.Errorf("flows %+v, before %+v: want one relayed", f, before)
		}
	}
	// Reloads replace the table, which is no loss.
	if err := h.ReloadCPE(ctx); err != nil {
		t.Fatal(err)
	}
	if n := h.CPE.Log.Count("they are back"); n != 2 {
		t.Errorf("%d times back, want 2; the log:\n%s", n, h.CPE.Log.String())
	}
	if err := h.CPE.Stop(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	if there() {
		t.Error("the rules outlive the daemon")
	}
}
