package e2e

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"testing"
	"time"

	"tandem/lab/house"
)

// TestStopInTrouble tells the CPE to stop while connections wait for what does
// not answer: it must end all the same, and the LAN must be routed.
func TestStopInTrouble(t *testing.T) {
	t.Parallel()
	for name, trouble := range map[string]func(h *house.House) error{
		"concentrator hangs":    func(h *house.House) error { return h.Concentrator.Signal(syscall.SIGSTOP) },
		"concentrator is gone":  func(h *house.House) error { return h.Concentrator.Kill() },
		"lines swallow packets": func(h *house.House) error { return swallow(h, true) },
		"lines have no carrier": func(h *house.House) error {
			return errors.Join(h.Link("dsl").SetDown(true), h.Link("lte").SetDown(true))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := build(t, sixty())
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			var wg sync.WaitGroup
			defer wg.Wait()
			defer cancel()
			if err := h.Download(ctx, "", house.Server4, 100_000); err != nil {
				t.Fatal(err)
			}
			visit := func(n int) {
				for range n {
					wg.Add(1)
					go func() {
						defer wg.Done()
						// They are here to be in the way, whatever becomes of them.
						_ = h.Download(ctx, "", house.Server4, 50_000_000)
					}()
				}
			}
			visit(10)
			eventually(t, 10*time.Second, "downloads run", func() bool { return status(t, h).Flows.Relayed >= 10 })
			if err := trouble(h); err != nil {
				t.Fatal(err)
			}
			visit(30)
			eventually(t, 10*time.Second, "connections wait", func() bool { return status(t, h).Flows.Accepted >= 35 })
			begin := time.Now()
			if err := h.CPE.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := h.CPE.Wait(10 * time.Second); err != nil {
				_ = h.CPE.Signal(syscall.SIGQUIT)
				_ = h.CPE.Wait(5 * time.Second)
				t.Fatal(err)
			}
			t.Logf("stopped after %s", time.Since(begin).Round(time.Millisecond))
			if err := errors.Join(swallow(h, false), h.Link("dsl").SetDown(false), h.Link("lte").SetDown(false)); err != nil {
				t.Fatal(err)
			}
			if err := h.Download(within(t, 20*time.Second), "", house.Server4, 100_000); err != nil {
				t.Errorf("without the daemon: %v", err)
			}
		})
	}
}

// swallow makes both lines drop everything in silence, or not any more.
func swallow(h *house.House, on bool) error {
	for _, line := range []string{"dsl", "lte"} {
		if err := h.Link(line).SetBlackhole(on); err != nil {
			return err
		}
	}
	return nil
}
