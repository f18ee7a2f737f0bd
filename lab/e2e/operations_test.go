package e2e

import (
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tandem/lab/house"
)

// An operator drains a concentrator: what is open lives on, new connections
// go direct at once, and through it again after undrain. Metrics, health and
// the client list tell of it.
func TestDrainCommand(t *testing.T) {
	h := build(t, fast())
	ctx := within(t, time.Minute)
	tool := func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(ctx, filepath.Join(*binaries, "tandem-concentrator"),
			append(args, "--control", h.Concentrator.Socket)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	ask := func(path string) string {
		t.Helper()
		// curl, for it must run in the concentrator's namespace.
		out, err := h.Host("core").Command(ctx, "curl", "-s", "http://127.0.0.1:5126"+path).Output()
		if err != nil {
			t.Fatal(path, err)
		}
		return string(out)
	}
	relayed := func() string {
		for _, line := range strings.Split(ask("/metrics"), "\n") {
			if strings.HasPrefix(line, "tandem_connections_relayed_total ") {
				return line
			}
		}
		t.Fatal("no count of relayed connections")
		return ""
	}

	c, err := h.DialFrom(ctx, "", house.Server4, house.EchoPort)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	echo := func() {
		t.Helper()
		if _, err := io.WriteString(c, "hello"); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
	}
	echo()
	if got := ask("/healthz"); got != "ok\n" {
		t.Errorf("healthz: %q", got)
	}
	if got := tool("drain", "--json"); !strings.Contains(got, `"open": 1`) {
		t.Errorf("drain says %s", got)
	}
	if got := ask("/healthz"); got != "draining\n" {
		t.Errorf("healthz while draining: %q", got)
	}
	before := relayed()
	for range 3 {
		if took, err := h.FirstByte(ctx, "", house.Server4); err != nil || took > time.Second {
			t.Errorf("new connection while draining: %v, %v", took, err)
		}
	}
	if now := relayed(); now != before {
		t.Errorf("relayed while draining: %q, then %q", before, now)
	}
	echo() // the old connection lives
	tool("undrain")
	if got := ask("/healthz"); got != "ok\n" {
		t.Errorf("healthz after undrain: %q", got)
	}
	// The CPE was asked to stay away for a while.
	for deadline := time.Now().Add(30 * time.Second); relayed() == before; {
		if time.Now().After(deadline) {
			t.Fatal("nothing relayed 30 s after undrain")
		}
		if _, err := h.FirstByte(ctx, "", house.Server4); err != nil {
			t.Fatal(err)
		}
	}
	if got := tool("clients"); !strings.Contains(got, "house") {
		t.Errorf("clients says\n%s", got)
	}
	if got := tool("top"); !strings.Contains(got, "Mbit/s") {
		t.Errorf("top says\n%s", got)
	}
}
