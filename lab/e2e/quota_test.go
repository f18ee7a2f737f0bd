package e2e

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"tandem/lab/house"
)

// carried is what a link has carried by its own count, both ways, and how far
// the CPE's is from it.
func carried(t *testing.T, h *house.House, wan string) (link, used uint64, off float64) {
	t.Helper()
	s, err := h.Link(wan).Stats()
	if err != nil {
		t.Fatal(err)
	}
	// What came into the link at the CPE and what reached the CPE.
	link = s.Up.SentBytes + s.Down.Bytes
	if q := askPaths(t, h).line(t, wan).Quota; q != nil {
		used = q.Used
	}
	return link, used, math.Abs(float64(used)-float64(link)) / float64(link)
}

// TestQuotaReached uses up the quota of a line in the middle of a download:
// every byte arrives, the rest of them over the other line, and the count is
// that of the link. It survives an orderly end and a kill.
func TestQuotaReached(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, wan, other, action, state, words string }{
		{"primary off", "dsl", "lte", "off", "down", "off until 20"},
		{"secondary standby", "lte", "dsl", "standby", "up", "on standby until 20"},
		{"primary standby", "dsl", "lte", "standby", "up", "on standby until 20"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := sixty()
			o.WANOptions = map[string]string{tt.wan: fmt.Sprintf("\toption quota '8M'\n\toption quota_action '%s'\n\toption reset_day '15'\n", tt.action)}
			h := build(t, o)
			ctx := within(t, 2*time.Minute)
			done := make(chan error, 1)
			go func() { done <- h.Download(ctx, "", house.Server4, 60<<20) }()
			var l lineStatus
			eventually(t, time.Minute, "the quota is reached", func() bool {
				l = askPaths(t, h).line(t, tt.wan)
				return l.Quota != nil && l.Quota.State == "reached" && l.State == tt.state && strings.Contains(l.Reason, tt.words)
			})
			select {
			case err := <-done:
				t.Fatalf("the download ended before: %v", err)
			default:
			}
			// What is under way arrives, but nothing new is sent there.
			atReach, _, _ := carried(t, h, tt.wan)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			var link, used uint64
			var off float64
			eventually(t, 10*time.Second, "the count is within 1 % of the link's", func() bool {
				link, used, off = carried(t, h, tt.wan)
				return off < 0.01
			})
			t.Logf("quota 8 MB: %.2f MB when it was seen, %.2f MB at the end; counted %d of %d bytes (%.3f %% off)", float64(atReach)/1e6, float64(link)/1e6, used, link, off*100)
			if float64(link) > float64(atReach)+2e6 {
				t.Errorf("%.2f MB more went over the line after its quota was reached at %.2f MB", float64(link-atReach)/1e6, float64(atReach)/1e6)
			}
			if l.Quota.Limit != 8e6 || l.Quota.Action != tt.action {
				t.Errorf("quota %+v", l.Quota)
			}

			// New connections begin on the other line, and the count goes on
			// after whatever end of the daemon.
			for _, end := range []func() error{func() error { return h.CPE.Stop(10 * time.Second) }, h.CPE.Kill} {
				if err := end(); err != nil {
					t.Fatal(err)
				}
				if err := h.StartCPE(ctx); err != nil {
					t.Fatal(err)
				}
				eventually(t, 10*time.Second, "the quota is still reached", func() bool {
					l := askPaths(t, h).line(t, tt.wan)
					return l.Quota.State == "reached" && l.State == tt.state && strings.Contains(l.Reason, tt.words)
				})
				before, _, _ := carried(t, h, tt.wan)
				if err := h.Download(ctx, "", house.Server4, 4<<20); err != nil {
					t.Fatal(err)
				}
				after, _, off := carried(t, h, tt.wan)
				if after-before > 400e3 || off > 0.01 {
					t.Errorf("after a restart: %d bytes of 4 MB went over the line, the count is %.3f %% off", after-before, off*100)
				}
			}

			// On standby it serves when nothing else does.
			if tt.action == "standby" {
				if err := h.Link(tt.other).SetDown(true); err != nil {
					t.Fatal(err)
				}
				eventually(t, 10*time.Second, "the other line is down", func() bool { return !askPaths(t, h).line(t, tt.other).Up })
				if err := h.Download(ctx, "", house.Server4, 1<<20); err != nil {
					t.Errorf("with no other line left: %v", err)
				}
			}
		})
	}
}
