package e2e

import (
	"testing"
	"time"

	"tandem/lab/house"
)

// TestGibibyte moves 1 GiB each way over IPv4 and IPv6 and compares SHA-256.
func TestGibibyte(t *testing.T) {
	h := build(t, fast())
	for _, server := range []string{house.Server4, house.Server6} {
		t.Run("down "+server, func(t *testing.T) {
			if err := h.Download(within(t, 3*time.Minute), "", server, 1<<30); err != nil {
				t.Error(err)
			}
		})
		t.Run("up "+server, func(t *testing.T) {
			if err := h.Upload(within(t, 3*time.Minute), "", server, 1<<30); err != nil {
				t.Error(err)
			}
		})
	}
	if got := status(t, h).Flows; got.Relayed != 4 || got.MPTCP != 4 {
		t.Errorf("flows %+v, want 4 by MPTCP", got)
	}
}
