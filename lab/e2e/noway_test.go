package e2e

import (
	"testing"
	"time"

	"tandem/lab/house"
	"tandem/shared/control"
)

// TestNoWayFromConcentrator: a concentrator that has no way to one server, for
// now (Error 65), is not asked for that one again before the time that it names
// (10 s). Flows to it go direct, others through it as before.
func TestNoWayFromConcentrator(t *testing.T) {
	t.Parallel()
	h := build(t, sixty())
	ctx := within(t, time.Minute)
	ready(t, h)
	failed := func() int64 {
		s, err := control.Ask[struct {
			Failed int64 `json:"failed"`
		}](h.Concentrator.Socket, "status")
		if err != nil {
			t.Fatal(err)
		}
		return s.Failed
	}
	// EACCES, for what is routed from the router's lines as well.
	run(t, ctx, h.Host("core"), "ip", "-6", "route", "add", "prohibit", house.Server6+"/128")
	for range 3 {
		if _, err := h.FirstByte(ctx, "", house.Server6); err == nil {
			t.Fatal("a server that nobody has a way to has answered")
		}
	}
	if n := failed(); n != 1 {
		t.Errorf("the concentrator was asked %d times, want once", n)
	}
	if _, err := h.FirstByte(ctx, "", house.Server4); err != nil {
		t.Error(err)
	}
	run(t, ctx, h.Host("core"), "ip", "-6", "route", "del", "prohibit", house.Server6+"/128")
	before := status(t, h).Flows
	if _, err := h.FirstByte(ctx, "", house.Server6); err != nil {
		t.Error(err)
	}
	if now := status(t, h).Flows; now.Direct != before.Direct+1 {
		t.Errorf("%+v, then %+v: want it direct", before, now)
	}
	took := eventually(t, 20*time.Second, "the concentrator is asked again", func() bool {
		if _, err := h.FirstByte(ctx, "", house.Server6); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond) // the rate of new connections
		return status(t, h).Flows.Relayed > before.Relayed
	})
	t.Logf("asked again after %v", took.Round(time.Millisecond))
}
