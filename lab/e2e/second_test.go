package e2e

import (
	"testing"
	"time"

	"tandem/lab/house"
	"tandem/shared/control"
)

// relayedBy returns how many flows a concentrator has relayed.
func relayedBy(t *testing.T, d *house.Daemon) int64 {
	t.Helper()
	s, err := control.Ask[struct {
		Relayed int64 `json:"relayed"`
	}](d.Socket, "status")
	if err != nil {
		t.Fatal(err)
	}
	return s.Relayed
}

// TestTwoConcentrators takes the first of two away: new flows are on the second
// within 1 s. Then the second: they go direct. When the first is back it is
// used again.
func TestTwoConcentrators(t *testing.T) {
	t.Parallel()
	h := build(t, sixty())
	ctx := within(t, 2*time.Minute)
	second, err := h.StartSecond(ctx)
	if err != nil {
		t.Fatal(err)
	}
	f := openFire(t, h)
	ready(t, h)
	one := func(when string) {
		t.Helper()
		begin := time.Now()
		if err := f.request(ctx); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("%s: a new flow took %s, want 1 s", when, took)
		}
	}
	one("both work")
	if n := relayedBy(t, second); n != 0 {
		t.Errorf("%d flows through the second while the first works", n)
	}
	if err := h.Concentrator.Kill(); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		one("the first is killed")
	}
	if n := relayedBy(t, second); n != 5 {
		t.Errorf("%d of 5 flows through the second", n)
	}
	if err := second.Kill(); err != nil {
		t.Fatal(err)
	}
	before := status(t, h).Flows.Direct
	for range 5 {
		one("both are killed")
	}
	if n := status(t, h).Flows.Direct - before; n != 5 {
		t.Errorf("%d of 5 flows direct", n)
	}
	restartConcentrator(t, h)
	eventually(t, 20*time.Second, "the first is used again", func() bool {
		one("the first is back")
		return relayedBy(t, h.Concentrator) > 0
	})
	if _, again := f.server.Requests(); again != 0 {
		t.Errorf("%d requests reached the server twice", again)
	}
}

// TestConcentratorWait has the first of two concentrators ask for a wait (Error
// 64): flows go through the second, and the first is left alone until then.
func TestConcentratorWait(t *testing.T) {
	t.Parallel()
	h := build(t, sixty())
	ctx := within(t, 2*time.Minute)
	second, err := h.StartSecond(ctx)
	if err != nil {
		t.Fatal(err)
	}
	f := openFire(t, h)
	ready(t, h)
	if _, err := control.Call(h.Concentrator.Socket, "drain"); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := f.request(ctx); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("the flow that was sent away took %s", took)
	}
	if n := relayedBy(t, second); n != 1 {
		t.Errorf("%d flows through the second", n)
	}
	told := time.Now()
	const wait = 10 * time.Second // as the concentrator says
	// The pool's connections of that moment are on their way still.
	eventually(t, 5*time.Second, "the first is out of use", func() bool { return !status(t, h).Concentrators[0].Up })
	if _, err := control.Call(h.Concentrator.Socket, "undrain"); err != nil {
		t.Fatal(err)
	}
	eventually(t, 3*wait, "the first is asked again", func() bool { return status(t, h).Concentrators[0].Up })
	asked := time.Since(told)
	t.Logf("asked again after %s", asked.Round(time.Millisecond))
	if asked < wait-time.Second {
		t.Errorf("the first was asked after %s, it said %s", asked, wait)
	}
	eventually(t, 10*time.Second, "the first is used again", func() bool {
		if err := f.request(ctx); err != nil {
			t.Fatal(err)
		}
		return relayedBy(t, h.Concentrator) > 0
	})
}
