package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tandem/lab/house"
)

// A firewall as fw4 makes it, whose zone for the LAN rejects what is for the
// router itself (a guest network has that). With the rule that the package puts
// in front of it (chain-pre/input) connections are relayed; rules and chains of
// the user's own beside it change nothing.
func TestFirewallRejectsInput(t *testing.T) {
	t.Parallel()
	h := build(t, sixty())
	ctx := within(t, time.Minute)
	rule := packageRule(t)
	if !strings.Contains(rule, "0x10000000 accept") {
		t.Fatalf("the package's rule accepts nothing: %s", rule)
	}
	loadFirewall(t, h, rule)
	for _, addr := range []string{house.Server4, house.Server6} {
		if err := h.Download(ctx, "", addr, 4<<20); err != nil {
			t.Errorf("download from %s: %v", addr, err)
		}
		if err := h.Upload(ctx, "", addr, 1<<20); err != nil {
			t.Errorf("upload to %s: %v", addr, err)
		}
	}
	if f := status(t, h).Flows; f.Relayed != 4 || f.Direct != 0 {
		t.Errorf("flows %+v, want 4 relayed", f)
	}
	// Whom the router bypasses is forwarded as ever.
	if err := h.Download(ctx, house.Direct4, house.Server4, 1<<20); err != nil {
		t.Errorf("download past the daemon: %v", err)
	}
}

// The same without the rule. What would be refused is routed after ten tries,
// and taken over again when the firewall has been loaded with it.
func TestFirewallKeepsOut(t *testing.T) {
	t.Parallel()
	h := build(t, sixty())
	ctx := within(t, time.Minute)
	loadFirewall(t, h, "")
	download := func() error { return h.Download(ctx, "", house.Server4, 1<<10) }
	// Ten tries before the daemon has heard of the firewall, and ten after.
	begun, failed := time.Now(), 0
	for direct := 0; direct < 20; direct++ {
		if download() != nil {
			direct, failed = 0, failed+1
		}
		if ctx.Err() != nil {
			t.Fatal(ctx.Err())
		}
	}
	t.Logf("%d refused connections, then 20 direct, in %v", failed, time.Since(begun).Round(time.Millisecond))
	if failed == 0 || failed > 20 {
		t.Errorf("%d connections were refused, want 10 or 20", failed)
	}
	s := status(t, h)
	if s.Flows.Relayed != 0 || len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "firewall refuses") {
		t.Errorf("flows %+v, warnings %q", s.Flows, s.Warnings)
	}
	loadFirewall(t, h, packageRule(t))
	eventually(t, 10*time.Second, "connections are taken over again", func() bool {
		if err := download(); err != nil {
			t.Error(err)
		}
		return status(t, h).Flows.Relayed > 0
	})
	if s := status(t, h); len(s.Warnings) != 0 {
		t.Errorf("warnings %q, want none", s.Warnings)
	}
}

func packageRule(t *testing.T) string {
	return strings.TrimSpace(read(t, filepath.Join("..", "..", "openwrt", "tandem", "files", "tandem.nft")))
}

// loadFirewall puts the rule in front of what the zone's rejects.
func loadFirewall(t *testing.T, h *house.House, rule string) {
	t.Helper()
	rules := filepath.Join(t.TempDir(), "fw4.nft")
	text := `table inet fw4
delete table inet fw4
table inet fw4 {
	chain input {
		type filter hook input priority filter; policy drop;
		iifname "lo" accept
		meta l4proto { icmp, ipv6-icmp } accept
		` + rule + `
		ct state vmap { established : accept, related : accept }
		iifname "lan" jump reject_from_lan
		iifname { "dsl", "lte" } drop
	}
	chain reject_from_lan {
		meta l4proto tcp reject with tcp reset
		reject
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		iifname "lan" accept
		ct state established,related accept
	}
	chain user_prerouting {
		type filter hook prerouting priority dstnat; policy accept;
		iifname "lan" tcp dport 8080 counter accept
	}
}
`
	if err := os.WriteFile(rules, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, within(t, 10*time.Second), h.Host("cpe"), "nft", "-f", rules)
}
