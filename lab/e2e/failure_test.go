package e2e

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"tandem/lab/house"
)

// TestConcentratorGone takes the concentrator away in four ways: new
// connections work direct within 1 s, and go through it again within 5 s of
// its return. Where it goes without a word, what was sent to it in that moment
// may yet be carried out, so that connection ends; no request is made twice,
// also when the concentrator goes on where it was.
func TestConcentratorGone(t *testing.T) {
	for name, way := range map[string]struct {
		silent     bool
		take, give func(*testing.T, *house.House)
	}{
		"stopped": {
			take: func(t *testing.T, h *house.House) {
				if err := h.Concentrator.Stop(10 * time.Second); err != nil {
					t.Fatal(err)
				}
			},
			give: restartConcentrator,
		},
		"killed": {
			take: func(t *testing.T, h *house.House) {
				if err := h.Concentrator.Kill(); err != nil {
					t.Fatal(err)
				}
			},
			give: restartConcentrator,
		},
		"hangs": {
			silent: true,
			take:   func(t *testing.T, h *house.House) { signal(t, h.Concentrator, syscall.SIGSTOP) },
			give:   func(t *testing.T, h *house.House) { signal(t, h.Concentrator, syscall.SIGCONT) },
		},
		"unreachable": {
			silent: true,
			take: func(t *testing.T, h *house.House) {
				run(t, within(t, 10*time.Second), h.Host("core"), "nft", "add table inet tandem-test; add chain inet tandem-test in { type filter hook input priority 0; }; add rule inet tandem-test in tcp dport 5124 drop")
			},
			give: func(t *testing.T, h *house.House) {
				run(t, within(t, 10*time.Second), h.Host("core"), "nft", "delete table inet tandem-test")
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := build(t, sixty())
			ctx := within(t, 2*time.Minute)
			f := openFire(t, h)
			if err := f.request(ctx); err != nil {
				t.Fatal(err)
			}
			way.take(t, h)
			lost := int64(0)
			for i := range 10 {
				begin := time.Now()
				err := f.request(ctx)
				took := time.Since(begin)
				if err != nil && way.silent && i == 0 {
					lost++
					err = nil
				}
				if err != nil || took > time.Second {
					t.Fatalf("connection %d without the concentrator: %v, %v; want success within 1 s", i, took, err)
				}
			}
			if got := status(t, h).Flows; got.Direct != 10-lost {
				t.Errorf("flows %+v, want %d direct", got, 10-lost)
			}
			way.give(t, h)
			relayed := status(t, h).Flows.Relayed
			took := eventually(t, 5*time.Second, "through the concentrator again", func() bool {
				if err := f.request(ctx); err != nil {
					t.Fatal(err)
				}
				return status(t, h).Flows.Relayed > relayed
			})
			t.Logf("back after %v, %d connections ended", took.Round(time.Millisecond), lost)
			if made, again := f.server.Requests(); again != 0 || int64(made) < 11-lost {
				t.Errorf("the server got %d requests, %d of them twice; want %d", made, again, 11-lost)
			}
		})
	}
}

func restartConcentrator(t *testing.T, h *house.House) {
	if err := h.StartConcentrator(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
}

func signal(t *testing.T, d *house.Daemon, s syscall.Signal) {
	t.Helper()
	if err := d.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// TestCPEGone takes the CPE's daemon away: the LAN goes direct at once, and
// after a clean stop nothing of it is left.
func TestCPEGone(t *testing.T) {
	h := build(t, sixty())
	ctx := within(t, 2*time.Minute)
	before := traces(t, h)
	if !strings.Contains(before, "table inet tandem") {
		t.Fatalf("no rules while it runs:\n%s", before)
	}
	mustReach := func(when string) {
		t.Helper()
		for _, server := range []string{house.Server4, house.Server6} {
			if _, err := h.FirstByte(ctx, "", server); err != nil {
				t.Fatalf("%s: %v", when, err)
			}
		}
	}
	mustReach("running")
	if err := h.CPE.Kill(); err != nil {
		t.Fatal(err)
	}
	mustReach("after kill -9")

	if err := h.StartCPE(ctx); err != nil {
		t.Fatal(err)
	}
	mustReach("started over the remains")
	if got := status(t, h).Flows.Relayed; got != 2 {
		t.Errorf("%d flows relayed after the restart, want 2", got)
	}
	if err := h.CPE.Stop(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	mustReach("after a clean stop")
	for _, left := range []string{"table inet tandem ", "lookup 5125", "table 5125", "endpoint", " id "} {
		if after := traces(t, h); strings.Contains(after, left) {
			t.Errorf("left after a clean stop (%q):\n%s", left, after)
		}
	}
}

// traces lists all that the CPE's daemon could leave behind.
func traces(t *testing.T, h *house.House) string {
	t.Helper()
	ctx := within(t, 10*time.Second)
	cpe := h.Host("cpe")
	return run(t, ctx, cpe, "nft", "list", "ruleset") +
		run(t, ctx, cpe, "ip", "rule") + run(t, ctx, cpe, "ip", "-6", "rule") +
		run(t, ctx, cpe, "sh", "-c", "ip route show table 5125; ip -6 route show table 5125; true") +
		run(t, ctx, cpe, "ip", "mptcp", "endpoint")
}
