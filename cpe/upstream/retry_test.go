//go:build go1.25

package upstream

import (
	"errors"
	"io"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"tandem/cpe/config"
	"tandem/cpe/health"
	"tandem/cpe/uplink"
	"tandem/shared/logline"
)

// A concentrator that is down for long is asked over a metered line for no more
// than its budget while no flow wants it, and each minute while flows do.
func TestRetriesOverMeteredLine(t *testing.T) {
	for _, tt := range []struct {
		name     string
		metered  bool
		flows    bool
		d        time.Duration
		low, top int
	}{
		{"not metered", false, false, time.Minute, 59, 60},
		{"metered, its first minute", true, false, time.Minute, 5, 30},
		{"metered, a week", true, false, 7 * 24 * time.Hour, 50, (50_000 + 950_000*7/31) / askBytes},
		{"metered, flows want it, its first seconds", true, true, 5 * time.Second, 4, 5},
		{"metered, flows want it, a day", true, true, 24 * time.Hour, 24 * 60, 24*60 + 60},
	} {
		t.Run(tt.name, func(t *testing.T) {
			folder := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				log := logline.New(io.Discard)
				budget := health.NewBudget(log, folder, func() (time.Time, bool) { return time.Now(), true })
				here := netip.MustParseAddr("192.0.2.1")
				lines := func() []uplink.WAN {
					return []uplink.WAN{{Name: "lte", Up: true, Present: true, Metered: tt.metered, Addrs: []netip.Addr{here}}}
				}
				c := NewConverter(log, config.Concentrator{Name: "far", Addresses: []netip.Addr{here}, Port: 5124}, nil, 0, time.Second, lines)
				c.Affords = budget.Take
				c.Fail(errors.New("it is gone"), 0)
				asked := 0
				for end := time.Now().Add(tt.d); time.Now().Before(end); {
					time.Sleep(retryEvery)
					if tt.flows {
						c.Miss()
					}
					if c.mayRetry(time.Now()) {
						asked++
					}
				}
				t.Logf("asked %d times", asked)
				if asked < tt.low || asked > tt.top {
					t.Errorf("asked %d times in %v, want %d to %d", asked, tt.d, tt.low, tt.top)
				}
			})
		})
	}
}
