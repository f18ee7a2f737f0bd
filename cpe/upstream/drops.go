package upstream

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// drops watches what the kernel acknowledges and then throws away
// (MPTcpExtNoDSSInWindow): the sign of a sender that overruns us after data in
// the SYN. The counter is the whole network namespace's; it is looked at when a
// long download ends that began with such data.
type drops struct {
	mu    sync.Mutex
	seen  int64
	at    time.Time
	count func() (int64, bool)
}

const (
	dropsMatter = 100 // of them; a few cost nothing
	dropsEvery  = 5 * time.Second
	dropsBytes  = 1 << 20 // a download shorter than that cannot overrun anybody
)

func newDrops() *drops {
	d := &drops{count: countDrops}
	d.seen, _ = d.count()
	return d
}

// rose tells whether they have become many since it was last asked.
func (d *drops) rose(now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now.Sub(d.at) < dropsEvery {
		return false
	}
	n, ok := d.count()
	if !ok {
		return false
	}
	more := n - d.seen
	d.at, d.seen = now, n
	return more >= dropsMatter
}

// countDrops reads the counter from /proc/net/netstat.
func countDrops() (int64, bool) {
	text, err := os.ReadFile("/proc/net/netstat")
	if err != nil {
		return 0, false
	}
	return netstat(string(text), "MPTcpExt:", "NoDSSInWindow")
}

// netstat finds one counter: a line of names, then one of values.
func netstat(text, group, name string) (int64, bool) {
	lines := strings.Split(text, "\n")
	for i := 0; i+1 < len(lines); i++ {
		names, values := strings.Fields(lines[i]), strings.Fields(lines[i+1])
		if len(names) == 0 || names[0] != group || len(names) != len(values) {
			continue
		}
		for j, n := range names {
			if n == name {
				v, err := strconv.ParseInt(values[j], 10, 64)
				return v, err == nil
			}
		}
	}
	return 0, false
}

// FlowEnded looks at what a flow leaves behind: its attempt, and how many bytes
// came down.
func (c *Converter) FlowEnded(a *Attempt, down int64) {
	if a.SynData && down >= dropsBytes && c.drops.rose(time.Now()) && c.synData.revoke() {
		c.log.Warn("the kernel drops what it has acknowledged: no data in the SYN for a while")
	}
}
