package quota

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tandem/cpe/config"
	"tandem/shared/logline"
)

func lte(quota uint64) config.WAN {
	return config.WAN{Name: "lte", Quota: quota, ResetDay: 1, QuotaWarning: 80}
}

func open(t *testing.T, folder string, w config.WAN) *Ledger {
	t.Helper()
	l := New(logline.New(io.Discard), folder)
	l.Configure([]config.WAN{w})
	return l
}

func TestBook(t *testing.T) {
	l := open(t, t.TempDir(), lte(1e9))
	for _, step := range []struct {
		what    string
		device  string
		index   int
		counter uint64
		want    uint64
	}{
		{"what the device had counted before is not ours", "wwan0", 3, 5000, 0},
		{"nothing", "wwan0", 3, 5000, 0},
		{"more", "wwan0", 3, 7000, 2000},
		{"more than 32 bits", "wwan0", 3, 7000 + 1<<33, 2000 + 1<<33},
		{"the device was made anew, and has carried something", "wwan0", 9, 300, 2300 + 1<<33},
		{"more", "wwan0", 9, 400, 2400 + 1<<33},
		{"its counter was set to zero", "wwan0", 9, 50, 2450 + 1<<33},
		{"another device by the configuration, which has a past", "usb0", 4, 1 << 40, 2450 + 1<<33},
		{"more", "usb0", 4, 1<<40 + 7, 2457 + 1<<33},
	} {
		l.Book("lte", step.device, step.index, step.counter)
		l.Book("dsl", "eth1", 2, 1<<50) // has no quota
		if got := l.Use(lte(1e9)).Used; got != step.want {
			t.Errorf("%s: used %d, want %d", step.what, got, step.want)
		}
	}
	if got := l.Use(config.WAN{Name: "dsl"}); got.Used != 0 {
		t.Errorf("a line without a quota: %+v", got)
	}
}

// stop ends a ledger as the daemon does.
func stop(t *testing.T, l *Ledger) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := l.Run(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestKept(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "state")
	l := open(t, folder, lte(1e9))
	l.Book("lte", "wwan0", 3, 5000)
	l.Book("lte", "wwan0", 3, 6000)
	stop(t, l)

	l = open(t, folder, lte(1e9))
	l.Book("lte", "wwan0", 3, 6500) // while the daemon was away
	if got := l.Use(lte(1e9)).Used; got != 1500 {
		t.Errorf("after a restart: used %d, want 1500", got)
	}
	stop(t, l)

	l = open(t, folder, lte(1e9))
	l.boot = "another"
	l.Book("lte", "wwan0", 3, 8000) // more than before, and yet all since the boot
	if got := l.Use(lte(1e9)).Used; got != 9500 {
		t.Errorf("after a reboot: used %d, want 9500", got)
	}
	stop(t, l)

	// A power cut leaves what was written last, and a new configuration takes
	// effect on what is kept.
	l = open(t, folder, lte(1e6))
	l.boot = "a third"
	if got := l.Use(lte(1e6)).Used; got != 9500 {
		t.Errorf("kept %d, want 9500", got)
	}
	l.Configure([]config.WAN{{Name: "dsl"}})
	stop(t, l)
	if got := open(t, folder, lte(1e9)).Use(lte(1e9)).Used; got != 9500 {
		t.Errorf("a line that was not used for a while: %d, want 9500", got)
	}
	l.Configure([]config.WAN{{Name: "lte"}})
	stop(t, l)
	if got := open(t, folder, lte(1e9)).Use(lte(1e9)).Used; got != 0 {
		t.Errorf("a line whose quota was taken away: %d, want 0", got)
	}
}

func TestBrokenFile(t *testing.T) {
	for _, text := range []string{
		"lte", "lte 1 2 3 boot wwan0 4", "lte x 20261201 1 boot wwan0 4 5", "lte 1 20261201 1 boot wwan0 4 -5", "\x00\xff", "lte 1 20261201 1 boot wwan0 4 5 6",
	} {
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, fileName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		l := open(t, folder, lte(1e9))
		l.Book("lte", "wwan0", 3, 5000)
		l.Book("lte", "wwan0", 3, 6000)
		if got := l.Use(lte(1e9)).Used; got != 1000 {
			t.Errorf("%q: used %d, want 1000", text, got)
		}
	}
}

// A month on a busy line writes to flash about a hundred times; nothing is
// written for what is not worth it.
func TestFewWrites(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "state")
	l := open(t, folder, lte(1e9))
	writes := 0
	var last os.FileInfo
	for counter := uint64(0); counter <= 1e9; counter += 1e5 {
		l.Book("lte", "wwan0", 3, counter)
		select {
		case <-l.wake:
			l.settle()
		default:
		}
		if now, err := os.Stat(filepath.Join(folder, fileName)); err == nil && (last == nil || !os.SameFile(now, last)) {
			writes, last = writes+1, now
		}
	}
	if writes < 100 || writes > 110 {
		t.Errorf("%d writes, want about 100", writes)
	}
	t.Logf("%d writes for 10,000 samples", writes)
}

// Whoever is to act on it is told when a quota is reached and when it begins
// anew, once each.
func TestReached(t *testing.T) {
	l := open(t, t.TempDir(), lte(1000))
	now := time.Date(2026, 11, 30, 23, 59, 0, 0, time.UTC)
	l.Now = func() (time.Time, bool) { return now, true }
	told := 0
	l.Changed = func() { told++ }
	step := func(what string, counter uint64, state string, reached bool, toldNow int) {
		t.Helper()
		l.Book("lte", "wwan0", 3, counter)
		l.settle()
		resets, got := l.Reached("lte")
		if u := l.Use(l.lines["lte"]); got != reached || u.State != state || told != toldNow {
			t.Errorf("%s: reached %v until %q, %+v, told %d times; want %v, %s, %d", what, got, resets, u, told, reached, state, toldNow)
		}
	}
	step("begin", 0, "ok", false, 0)
	step("below the warning", 799, "ok", false, 0)
	step("warning", 800, "warning", false, 0)
	step("reached", 1000, "reached", true, 1)
	step("more", 5000, "reached", true, 1)
	if resets, _ := l.Reached("lte"); resets != "2026-12-01" {
		t.Errorf("resets %q", resets)
	}
	now = now.Add(time.Minute)
	step("the next month", 5000, "ok", false, 2)
	step("counting goes on", 5900, "warning", false, 2)
	step("reached again", 6000, "reached", true, 3)
	l.Configure([]config.WAN{lte(1e6)})
	step("a larger contract", 6000, "ok", false, 4)
	l.Configure(nil)
	l.settle()
	if _, reached := l.Reached("lte"); reached {
		t.Error("a line without a quota has reached it")
	}
}
