package e2e

import (
	"testing"
	"time"

	"tandem/lab/house"
)

// TestComputedCookie lets the concentrator demand cookies of its own making:
// the first connection fetches one (Error 3) and tries again, later ones have
// it.
func TestComputedCookie(t *testing.T) {
	t.Parallel()
	o := sixty()
	o.ByAddress = true
	o.Tables = "[authorise]\ncookie = \"computed\"\n"
	h := build(t, o)
	ctx := within(t, 30*time.Second)
	for i := range 5 {
		if _, err := h.FirstByte(ctx, "", house.Server4); err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
	}
	if got := status(t, h).Flows; got.Relayed != 5 || got.MPTCP != 5 || got.Direct != 0 {
		t.Errorf("flows %+v, want 5 relayed by MPTCP", got)
	}
	if got, err := h.ConcentratorStatus(); err != nil || got.Refused != 1 || got.Relayed != 5 {
		t.Errorf("concentrator %+v, want one refusal, for the cookie", got)
	}
}

// TestDrain stops the concentrator while a stream is open: the stream goes on
// to its end, new connections go direct.
func TestDrain(t *testing.T) {
	t.Parallel()
	h := build(t, sixty())
	ctx := within(t, time.Minute)
	c := dial(t, h, house.Server4, house.EchoPort)
	if err := say(c, "before\n"); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- h.Concentrator.Stop(40 * time.Second) }()
	eventually(t, 10*time.Second, "it drains", func() bool { return h.Concentrator.Log.Count("msg=draining") == 1 })
	for range 3 {
		if err := say(c, "while it drains\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := h.FirstByte(ctx, "", house.Server4); err != nil {
			t.Fatal(err)
		}
	}
	if got := status(t, h).Flows; got.Direct != 3 {
		t.Errorf("flows %+v, want 3 direct", got)
	}
	select {
	case err := <-stopped:
		t.Fatalf("it ended while a stream was open: %v", err)
	default:
	}
	c.Close()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}
