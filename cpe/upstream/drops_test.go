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
