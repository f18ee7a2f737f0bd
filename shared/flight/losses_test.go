package flight

import (
	"net/netip"
	"testing"
	"time"

	"tandem/shared/mptcp"
)

func TestLosses(t *testing.T) {
	now := time.Unix(1e9, 0)
	good := mptcp.Subflow{State: mptcp.StateEstablished, Local: netip.MustParseAddrPort("198.51.100.2:1000"), MinRTT: 50 * time.Millisecond, DeliveryRate: 5e6}
	bad := good
	bad.Local = netip.MustParseAddrPort("198.51.100.6:1000")
	var seen []losses
	run := func(d time.Duration, burst, always uint64) float64 {
		for end := now.Add(d); now.Before(end); now = now.Add(100 * time.Millisecond) {
			good.BytesSent, bad.BytesSent = good.BytesSent+500_000, bad.BytesSent+500_000
			if now.UnixMilli()%2000 < 500 {
				good.BytesRetransmitted += burst
			}
			bad.BytesRetransmitted += always
			seen = follow(seen, []mptcp.Subflow{good, bad}, now)
		}
		return worst(seen)
	}
	if got := run(10*time.Second, 50_000, 0); got != 0 {
		t.Errorf("a full line loses bursts, thought to lose %.1f %% all the time", got*100)
	}
	got := run(5*time.Second, 50_000, 10_000)
	if got < 0.019 || got > 0.021 {
		t.Errorf("2 %% lost all the time, thought to be %.1f %%", got*100)
	}
	both := []mptcp.Subflow{good, bad}
	if clean, lossy := Size(both, 1.25, 0), Size(both, 1.25, got); lossy < 2*clean || lossy > 3*clean {
		t.Errorf("buffer of %d where packets are lost, %d where none are", lossy, clean)
	}
	if got := run(time.Second, 0, 0); got != 0 {
		t.Errorf("nothing lost for a second, thought to lose %.1f %%", got*100)
	}
	if seen = follow(seen, []mptcp.Subflow{good}, now); len(seen) != 1 {
		t.Errorf("%d subflows remembered of 1", len(seen))
	}
}
