package health

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tandem/cpe/uplink"
	"tandem/shared/logline"
)

// clock is one that a test moves, and that may be wrong.
type clock struct {
	now  time.Time
	sure bool
}

func (c *clock) read() (time.Time, bool) { return c.now, c.sure }

// A metered line that falls silent again and again, under a daemon that is
// started anew again and again, costs no more than a megabyte a month, and few
// writes.
func TestBudgetOverRestarts(t *testing.T) {
	for _, tt := range []struct {
		name  string
		runs  time.Duration // a run of the daemon; 0: it does not end
		clean bool          // the daemon ends, or dies
		wrong bool          // each run begins with a clock that is not known to be right
	}{
		{"no restart", 0, false, false},
		{"stopped each hour", time.Hour, true, false},
		{"killed each hour", time.Hour, false, false},
		{"killed each minute", time.Minute, false, false},
		{"no clock at first", time.Hour, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			folder := t.TempDir()
			c := &clock{now: time.Unix(1.8e9, 0), sure: true}
			start := func() *Budget { return NewBudget(logline.New(io.Discard), folder, c.read) }
			b := start()
			wan := uplink.WAN{Name: "lte", Present: true, Up: true, Metered: true}
			spent, writes, asked := int64(0), 0, 0
			var last os.FileInfo
			begun := c.now
			const tick, share = time.Minute, 6 // of a month
			for end := c.now.Add(month / share); c.now.Before(end); c.now = c.now.Add(tick) {
				if tt.runs > 0 && c.now.Sub(begun) >= tt.runs {
					if tt.clean {
						b.Close()
					}
					b, begun = start(), c.now
				}
				c.sure = !tt.wrong || c.now.Sub(begun) > tt.runs/2
				if asked++; b.Take(wan, probeBytes) {
					spent += probeBytes
				}
				if now, err := os.Stat(filepath.Join(folder, budgetFile)); err == nil && !os.SameFile(now, last) {
					last = now
					writes++
				}
			}
			t.Logf("%d of %d probes, %d bytes, %d writes", spent/probeBytes, asked, spent, writes)
			if spent > fillBytes/share+newBytes || spent == 0 {
				t.Errorf("%d bytes in a sixth of a month", spent)
			}
			if spent < 85*fillBytes/100/share && tt.runs == 0 {
				t.Errorf("only %d bytes of a month's %d were to be had in a sixth", spent, fillBytes)
			}
			if limit := 110 / share; writes > limit && !tt.clean {
				t.Errorf("%d writes in a sixth of a month, want at most %d", writes, limit)
			}
		})
	}
}

func TestBudget(t *testing.T) {
	folder := t.TempDir()
	c := &clock{now: time.Unix(1.8e9, 0), sure: true}
	start := func() *Budget { return NewBudget(logline.New(io.Discard), folder, c.read) }
	lte := uplink.WAN{Name: "lte", Metered: true}
	b := start()
	if !b.Take(uplink.WAN{Name: "dsl"}, 1e9) {
		t.Error("a line that is not metered pays")
	}
	if first, second := b.Take(lte, drawBytes), b.Take(lte, drawBytes); !first || !second || b.Take(lte, 1) {
		t.Errorf("a new line has not %d bytes", newBytes)
	}
	b.Close()
	b = start()
	c.now = c.now.Add(9 * time.Hour) // 8.6 kB
	if b.Take(lte, probeBytes) || b.Need(lte, probeBytes) {
		t.Error("a start has brought something")
	}
	c.now = c.now.Add(3 * time.Hour)
	if !b.Take(lte, probeBytes) {
		t.Error("nothing was added in 12 hours")
	}
	b.Close()
	c.now = c.now.AddDate(30, 0, 0)
	b = start()
	taken := 0
	for b.Take(lte, probeBytes) {
		taken += probeBytes
	}
	if taken > mostBytes || taken < mostBytes-drawBytes {
		t.Errorf("a clock that leaps gives %d bytes", taken)
	}
	b.Close()
	c.now = time.Unix(0, 0)
	if b = start(); b.Take(lte, 2*probeBytes) {
		t.Error("a clock that falls back gives something")
	}
	if err := os.WriteFile(filepath.Join(folder, budgetFile), []byte("lte much\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if b = start(); !b.Take(lte, probeBytes) {
		t.Error("a file that cannot be read stops all probes")
	}
}
