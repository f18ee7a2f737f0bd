package bindlog

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A port stays its last client's over a restart, for as long as it would have.
func TestKept(t *testing.T) {
	folder := t.TempDir()
	now := time.Unix(1e9, 0)
	clock := func() time.Time { return now }
	ports := Range{Low: 1000, High: 1003}
	first := NewPorts(ports, clock)
	for i, client := range []string{"early", "late", "open"} {
		at := netip.AddrPortFrom(here, 1000+uint16(i))
		if !first.Claim(client, at) {
			t.Fatal(client)
		}
		if client != "open" {
			first.Release(client, at)
		}
		now = now.Add(30 * time.Second)
	}
	if err := first.Save(folder); err != nil {
		t.Fatal(err)
	}
	now = now.Add(10 * time.Second)
	second := NewPorts(ports, clock)
	if err := second.Restore(folder); err != nil {
		t.Fatal(err)
	}
	for _, st := range []struct {
		forward time.Duration
		held    [4]string
	}{
		{0, [4]string{"early", "late", "open"}},
		{20 * time.Second, [4]string{"", "late", "open"}},
		{30 * time.Second, [4]string{"", "", "open"}},
		{59 * time.Second, [4]string{"", "", "open"}}, // ended at the latest with the run
		{1 * time.Second, [4]string{}},
	} {
		now = now.Add(st.forward)
		for i, want := range st.held {
			at := netip.AddrPortFrom(here, 1000+uint16(i))
			if got, inUse, _ := second.Who(at); got != want || inUse {
				t.Errorf("after %s: port %d is of %q (in use: %v), want %q", st.forward, at.Port(), got, inUse, want)
			}
			if want != "" && second.Claim("other", at) {
				t.Errorf("after %s: port %d given to another", st.forward, at.Port())
			}
		}
	}
	if err := NewPorts(ports, clock).Restore(folder); err != nil {
		t.Errorf("nothing saved: %v", err)
	}
	if err := os.WriteFile(filepath.Join(folder, portsFile), []byte("[{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := NewPorts(ports, clock).Restore(folder); err == nil {
		t.Error("a damaged file is taken")
	}
	if err := NewPorts(ports, clock).Restore(folder); err != nil {
		t.Errorf("the damaged file is still there: %v", err)
	}
}
