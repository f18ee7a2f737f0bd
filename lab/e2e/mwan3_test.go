package e2e

import (
	"strings"
	"testing"
	"time"

	"tandem/lab/house"
	"tandem/shared/control"
)

// asMwan3 marks new connections of the LAN and of the router for the second
// line, as mwan3 does where a policy says so.
const asMwan3 = `table inet other {
	chain prerouting {
		type filter hook prerouting priority mangle;
		meta mark & 0x3f00 == 0 meta mark set meta mark | 0x200
	}
	chain output {
		type route hook output priority mangle;
		meta mark & 0x3f00 == 0 meta mark set meta mark | 0x200
	}
}
`

// TestBesideMwan3 works on a router where mwan3's rules send all over one line,
// and says that they are there.
func TestBesideMwan3(t *testing.T) {
	t.Parallel()
	h := build(t, fast())
	ctx := within(t, time.Minute)
	warnings := func() string {
		s, err := control.Ask[struct {
			Warnings []string `json:"warnings"`
		}](h.CPE.Socket, "status")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(s.Warnings, " ")
	}
	if got := warnings(); got != "" {
		t.Errorf("without mwan3: %q", got)
	}
	cpe := h.Host("cpe")
	cmd := cpe.Command(ctx, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(asMwan3)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	run(t, ctx, cpe, "ip", "rule", "add", "priority", "2002", "fwmark", "0x200/0x3f00", "lookup", "2")
	run(t, ctx, cpe, "ip", "route", "add", "unreachable", "default", "table", "2")
	eventually(t, 5*time.Second, "mwan3 is seen", func() bool { return strings.Contains(warnings(), "mwan3 is at work") })
	for range 5 {
		if err := h.Download(ctx, "", house.Server4, 200_000); err != nil {
			t.Error(err)
		}
	}
	if f := status(t, h).Flows; f.Relayed != 5 || f.MPTCP != 5 {
		t.Errorf("flows %+v, want 5 by MPTCP", f)
	}
	out, err := h.CPECommand(ctx, "", "check")
	if err != nil || !strings.Contains(out, "mwan3 is at work") {
		t.Errorf("check: %v\n%s", err, out)
	}
	run(t, ctx, cpe, "ip", "rule", "del", "priority", "2002")
	eventually(t, 5*time.Second, "mwan3 is gone", func() bool { return warnings() == "" })
}
