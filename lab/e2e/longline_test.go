package e2e

import (
	"testing"
	"time"

	"tandem/lab/house"
	labnet "tandem/lab/net"
)

// TestLongLine starts on a line whose two round trips take longer than a probe of
// a short line may, and loses that for a longer one, of which nothing is known:
// the concentrator is never taken for gone, and no connection goes without it.
func TestLongLine(t *testing.T) {
	t.Parallel()
	h := build(t, house.Options{Spec: labnet.Spec{WANs: []labnet.WAN{
		{Name: "dsl", Link: labnet.Symmetric(50e6, 20e6, 140*time.Millisecond)},
		{Name: "lte", Link: labnet.Symmetric(50e6, 20e6, 160*time.Millisecond)},
	}}})
	ctx := within(t, time.Minute)
	ready(t, h)
	const each = 3
	for _, lost := range []string{"", "dsl"} {
		if lost != "" {
			if err := h.Link(lost).SetDown(true); err != nil {
				t.Fatal(err)
			}
		}
		for range each {
			if took, err := h.FirstByte(ctx, "", house.Server4); err != nil {
				t.Errorf("without %q: %v", lost, err)
			} else {
				t.Logf("without %q: first byte after %v", lost, took.Round(time.Millisecond))
			}
		}
	}
	if f := status(t, h).Flows; f.Relayed != 2*each {
		t.Errorf("flows %+v, want all %d relayed", f, 2*each)
	}
	if n := h.CPE.Log.Count("out of use"); n > 0 {
		t.Errorf("the concentrator was out of use %d times", n)
	}
}
