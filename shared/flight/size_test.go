package flight

import (
	"testing"
	"time"

	"tandem/shared/mptcp"
)

func TestSize(t *testing.T) {
	sub := func(mbit float64, rtt time.Duration) mptcp.Subflow {
		return mptcp.Subflow{State: mptcp.StateEstablished, MinRTT: rtt, DeliveryRate: uint64(mbit * 1e6 / 8)}
	}
	closed := sub(50, 45*time.Millisecond)
	closed.State = mptcp.StateClosed
	for _, tt := range []struct {
		name     string
		subflows []mptcp.Subflow
		low, top int
	}{
		{"none", nil, 0, 0},
		{"one line: nothing to be sent again elsewhere", []mptcp.Subflow{sub(50, 45*time.Millisecond)}, 0, 0},
		{"one line left", []mptcp.Subflow{sub(50, 45*time.Millisecond), closed}, 0, 0},
		{"two cables", []mptcp.Subflow{sub(5000, 100*time.Microsecond), sub(5000, 100*time.Microsecond)}, 0, 0},
		{"2 × 50 Mbit/s, 45 ms", []mptcp.Subflow{sub(50, 45*time.Millisecond), sub(50, 45*time.Millisecond)}, 12_500_000 * 90 / 1000, 12_500_000 * 180 / 1000},
		{"slow", []mptcp.Subflow{sub(1, 45*time.Millisecond), sub(1, 45*time.Millisecond)}, smallest, smallest},
		{"the slower line's delay at the rate of both", []mptcp.Subflow{sub(20, 30*time.Millisecond), sub(50, 240*time.Millisecond)}, 8_750_000 * 480 / 1000, 8_750_000 * 720 / 1000},
		{"bounded", []mptcp.Subflow{sub(10000, time.Second), sub(10000, time.Second)}, largest, largest},
	} {
		if got := Size(tt.subflows, 1.25, 0); got < tt.low || got > tt.top {
			t.Errorf("%s: %d, want %d to %d", tt.name, got, tt.low, tt.top)
		}
	}
}
