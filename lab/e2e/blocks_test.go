package e2e

import (
	"bytes"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tandem/lab/house"
	"tandem/shared/credential"
)

// TestPortBlocks: clients share two external addresses by blocks of ports. Each
// keeps one address, the log has a few lines instead of one for each
// connection, and "who" answers from it for every connection that the server
// saw, over a restart too.
func TestPortBlocks(t *testing.T) {
	t.Parallel()
	o := fast()
	o.Tables = "[connect]\nsource4 = [\"203.0.113.21\", \"203.0.113.22\"]\n[binding_log]\nblock = 32\n"
	h := build(t, o)
	ctx := within(t, 3*time.Minute)
	for _, a := range []string{"203.0.113.21/24", "203.0.113.22/24"} {
		run(t, ctx, h.Host("core"), "ip", "addr", "add", a, "dev", "net")
	}
	const port, servers, clients, flows = 9100, 4, 6, 150
	noted := noteVisits(t, h, port, servers)
	var signers [clients]*credential.Signer
	for i := range signers {
		signers[i] = addClient(t, h, fmt.Sprintf("client-%d", i))
		mustReach(t, h, signers[i], newDestination(t, h, 9200+i)) // learns the concentrator's time
	}
	visit := func() {
		each(clients*flows, 24, func(i int) {
			name := fmt.Sprintf("client-%d", i%clients)
			to := netip.AddrPortFrom(netip.MustParseAddr(house.Server4), uint16(port+i/clients%servers))
			msg := append(request(t, signers[i%clients], to), name...)
			if got, err := converse(ctx, dialTCP, h.Host("net"), msg); err != nil || !strings.HasSuffix(string(got), name) {
				t.Errorf("%s: %x, %v", name, got, err)
			}
		})
	}
	visit()
	if err := h.Concentrator.Stop(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	log := h.Concentrator.Log.String()
	restartConcentrator(t, h)
	for i := range signers {
		mustReach(t, h, signers[i], newDestination(t, h, 9300+i))
	}
	visit()

	all := noted.all()
	if len(all) != 2*clients*flows {
		t.Fatalf("the server had %d visits", len(all))
	}
	address := map[string]netip.Addr{}
	for _, v := range all {
		if a, ok := address[v.client]; ok && a != v.from.Addr() {
			t.Fatalf("%s comes from %s and from %s", v.client, a, v.from.Addr())
		}
		address[v.client] = v.from.Addr()
	}
	log += h.Concentrator.Log.String()
	if lines := strings.Count(log, "msg=binding"); lines > len(all)/4 {
		t.Errorf("%d lines for %d connections", lines, len(all))
	}
	for i, v := range all {
		if i%60 != 0 {
			continue
		}
		c := exec.CommandContext(ctx, filepath.Join(*binaries, "tandem-concentrator"), "who", v.from.String(), "--at", v.at.UTC().Format(time.RFC3339Nano))
		c.Stdin = strings.NewReader(log)
		out, err := c.CombinedOutput()
		if got := string(bytes.TrimSpace(out)); got != v.client || err != nil {
			t.Errorf("who had %s at %s: %s %v, want %s", v.from, v.at, got, err, v.client)
		}
	}
	t.Logf("%d connections, %d lines", len(all), strings.Count(log, "msg=binding"))
}
