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
	if err := second.Restore(folder, false); err != nil {
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
	if err := NewPorts(ports, clock).Restore(folder, false); err != nil {
		t.Errorf("nothing saved: %v", err)
	}
	if err := os.WriteFile(filepath.Join(folder, portsFile), []byte("[{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := NewPorts(ports, clock).Restore(folder, false); err == nil {
		t.Error("a damaged file is taken")
	}
	if err := NewPorts(ports, clock).Restore(folder, false); err != nil {
		t.Errorf("the damaged file is still there: %v", err)
	}
}

// After a hand-over the process before uses its ports still: they stay its
// clients' until it has ended, and for the quarantine after that.
func TestLent(t *testing.T) {
	const port = 1001
	at := netip.AddrPortFrom(here, port)
	for name, make := range map[string]func(now func() time.Time) Allocator{
		"ports": func(now func() time.Time) Allocator { return NewPorts(Range{Low: port, High: port}, now) },
		"blocks": func(now func() time.Time) Allocator {
			return NewBlocks(Range{Low: 1000, High: 1007}, 8, new(records), now)
		},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			now := time.Unix(1e9, 0)
			clock := func() time.Time { return now }
			before := make(clock)
			if _, ok := before.Pick("a", here); !ok {
				t.Fatal("no port")
			}
			if err := before.Save(folder); err != nil {
				t.Fatal(err)
			}
			next := make(clock)
			if err := next.Restore(folder, true); err != nil {
				t.Fatal(err)
			}
			check := func(after time.Duration, client string, used bool) {
				t.Helper()
				now = now.Add(after)
				if got, inUse, _ := next.Who(at); got != client || inUse != used {
					t.Errorf("the port is of %q, in use: %v; want %q, %v", got, inUse, client, used)
				}
				if _, ok := next.Pick("b", here); ok != (client == "") {
					t.Errorf("another client gets a port: %v", ok)
				}
			}
			check(10*Quarantine, "a", true)
			next.Returned()
			check(Quarantine-time.Second, "a", false)
			check(time.Second, "", false)
		})
	}
}
