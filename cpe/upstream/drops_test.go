package upstream

import (
	"testing"
	"time"
)

func TestNetstat(t *testing.T) {
	const text = "TcpExt: SyncookiesSent EmbryonicRsts\nTcpExt: 1 2\nMPTcpExt: MPCapableSYNRX NoDSSInWindow DupAdd\nMPTcpExt: 7 4527 0\n"
	if got, ok := netstat(text, "MPTcpExt:", "NoDSSInWindow"); !ok || got != 4527 {
		t.Errorf("got %d, %v", got, ok)
	}
	for _, cut := range []string{"", "MPTcpExt: a", text[:70], "MPTcpExt: NoDSSInWindow\nMPTcpExt: many\n"} {
		if _, ok := netstat(cut, "MPTcpExt:", "NoDSSInWindow"); ok {
			t.Errorf("%q: found it", cut)
		}
	}
}

// The counter rises on a busy machine, too: only a download that wasted more
// than others do is taken as overrun.
func TestOverrun(t *testing.T) {
	n, now := int64(0), time.Unix(1e9, 0)
	d := &drops{count: func() (int64, bool) { return n, true }}
	for _, step := range []struct {
		what    string
		more    int64
		synData bool
		wasted  float64
		want    bool
	}{
		{"drops, none of them here", 1000, true, 0, false},
		{"as on a busy machine", 1000, true, 0.025, false},
		{"overrun", 1000, true, 0.17, true},
		{"much came twice, nothing was dropped", 10, true, 0.17, false},
		{"no data in the SYN", 1000, false, 0.5, false},
		{"as much as others", 1000, true, 0.17, false},
		{"more than others", 1000, true, 0.4, true},
	} {
		n, now = n+step.more, now.Add(6*time.Second)
		if got := d.overrun(step.synData, step.wasted, now); got != step.want {
			t.Errorf("%s: %v", step.what, got)
		}
	}
}

func TestDrops(t *testing.T) {
	n, now := int64(1000), time.Unix(1e9, 0)
	d := &drops{count: func() (int64, bool) { return n, true }, seen: n}
	for i, step := range []struct {
		more    int64
		forward time.Duration
		want    bool
	}{{0, 0, false}, {99, 6 * time.Second, false}, {100, time.Second, false}, {0, 6 * time.Second, true}, {0, 6 * time.Second, false}} {
		n, now = n+step.more, now.Add(step.forward)
		if got := d.rose(now); got != step.want {
			t.Errorf("step %d: %v", i, got)
		}
	}
}
