package e2e

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"tandem/lab/house"
	"tandem/shared/credential"
)

// TestBindingLog makes 1,000 flows for each of 3 clients through the few ports
// that the concentrator's kernel is given, and asks the log afterwards as the
// police would: who had this address and port in this second? There is exactly
// one client each time, and it is the one whom the server itself has heard. No
// destination is in the log.
func TestBindingLog(t *testing.T) {
	t.Parallel()
	h := build(t, fast())
	ctx := within(t, 3*time.Minute)
	// Ports are scarce, so that clients would follow each other on one.
	if err := h.Concentrator.Stop(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	run(t, ctx, h.Host("core"), "sysctl", "-qw", "net.ipv4.ip_local_port_range=20000 21799")
	restartConcentrator(t, h)

	const port, servers = 9100, 4 // several: TIME_WAIT keeps a port from the same one for a minute
	noted := noteVisits(t, h, port, servers)

	const clients, flows = 3, 1000
	var signers [clients]*credential.Signer
	for i := range signers {
		signers[i] = addClient(t, h, fmt.Sprintf("client-%d", i))
		warm := newDestination(t, h, 9200+i) // learns the concentrator's time
		mustReach(t, h, signers[i], warm)
	}
	each(clients*flows, 48, func(i int) {
		name := fmt.Sprintf("client-%d", i%clients)
		to := netip.AddrPortFrom(netip.MustParseAddr(house.Server4), uint16(port+i/clients%servers))
		msg := append(request(t, signers[i%clients], to), name...)
		got, err := converse(ctx, dialTCP, h.Host("net"), msg)
		if err != nil || !strings.HasSuffix(string(got), name) {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	})
	visits := noted.all()
	if len(visits) != clients*flows {
		t.Fatalf("the server had %d visits", len(visits))
	}
	eventually(t, 20*time.Second, "all is logged", func() bool { return h.Concentrator.Log.Count("msg=binding") >= clients*flows+clients })

	type record struct {
		client     string
		start, end time.Time
	}
	records := map[netip.AddrPort][]record{}
	line := regexp.MustCompile(`msg=binding client=(\S+) external=(\S+) start=(\S+) end=(\S+)(.*)`)
	for _, text := range strings.Split(h.Concentrator.Log.String(), "\n") {
		m := line.FindStringSubmatch(text)
		// The clients sit on the server's host here, so its address alone may
		// stand where a source is told.
		if strings.Contains(text, house.Server4+":91") || m != nil && strings.Contains(text, house.Server4) {
			t.Fatalf("a destination is in the log: %s", text)
		}
		if m == nil {
			continue
		}
		if m[5] != "" {
			t.Errorf("more than is asked for: %s", text)
		}
		r := record{client: m[1]}
		var err1, err2 error
		r.start, err1 = time.Parse(time.RFC3339, m[3])
		r.end, err2 = time.Parse(time.RFC3339, m[4])
		if err1 != nil || err2 != nil {
			t.Fatalf("%s: %v, %v", text, err1, err2)
		}
		at := netip.MustParseAddrPort(m[2])
		records[at] = append(records[at], r)
	}
	// who had it in the second of at
	who := func(external netip.AddrPort, at time.Time) map[string]bool {
		found := map[string]bool{}
		second := at.Truncate(time.Second)
		for _, r := range records[external] {
			if r.start.Before(second.Add(time.Second)) && !r.end.Before(second) {
				found[r.client] = true
			}
		}
		return found
	}
	for _, v := range visits {
		if got := who(v.from, v.at); len(got) != 1 || !got[v.client] {
			t.Fatalf("%s at %s was %s; the log says %v", v.from, v.at, v.client, got)
		}
	}
	// And in any second of any record.
	asked, reused := 0, 0
	for external, list := range records {
		if len(list) > 1 {
			reused++
		}
		for _, r := range list {
			for at := r.start; !at.After(r.end.Add(time.Second)); at = at.Add(time.Second) {
				if got := who(external, at); len(got) > 1 {
					t.Fatalf("%s at %s: %v", external, at, got)
				}
				asked++
			}
		}
	}
	if reused == 0 {
		t.Error("no port was used twice: this proves little")
	}
	t.Logf("%d flows, %d external ports, %d of them used more than once, by one client each; %d questions answered", len(visits), len(records), reused, asked)
}
