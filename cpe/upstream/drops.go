package upstream

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"tandem/shared/mptcp"
)

// drops watches what the kernel acknowledges and then throws away
// (MPTcpExtNoDSSInWindow): the sign of a sender that overruns us after data in
// the SYN. The counter is the whole network namespace's, and on a busy machine
// it rises without any such data, too. So a long download that ends is also
// asked how much its subflows received that it did not, and that is compared
// with downloads that began without data in the SYN.
type drops struct {
	mu    sync.Mutex
	seen  int64
	at    time.Time
	count func() (int64, bool)
	usual float64 // share wasted by downloads without data in the SYN, lately
}

const (
	dropsMatter = 100 // of them; a few cost nothing
	dropsEvery  = 5 * time.Second
	dropsBytes  = 1 << 20 // a download shorter than that cannot overrun anybody
	// dropsShare is how much more than usual must be wasted. On Linux 6.18.44 it
	// was 17 % where a download crawled, and 2.5 % on a busy machine that had lost
	// nothing by it.
	dropsShare = 0.05
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

// overrun takes the share that a long download has wasted, and tells whether
// data in the SYN is what did it.
func (d *drops) overrun(synData bool, wasted float64, now time.Time) bool {
	if synData {
		return d.rose(now) && wasted >= d.usually()*2+dropsShare
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.usual += (wasted - d.usual) / 4
	return false
}

func (d *drops) usually() float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.usual
}

// wasted is the share of what a connection's subflows received that was thrown
// away or had come before. Subflows that have ended are not seen.
func wasted(c syscall.Conn) (share float64, ok bool) {
	info, err := mptcp.Inspect(c)
	if err != nil || info.Fallback || info.BytesReceived == 0 {
		return 0, false
	}
	subflows, err := mptcp.Subflows(c)
	if err != nil || len(subflows) == 0 {
		return 0, false
	}
	var came uint64
	for i := range subflows {
		came += subflows[i].BytesReceived
	}
	if came <= info.BytesReceived {
		return 0, true
	}
	return float64(came-info.BytesReceived) / float64(came), true
}

// FlowEnded looks at what a flow leaves behind: its attempt, the connection to
// the concentrator, which is still open, and how many bytes came down.
func (c *Converter) FlowEnded(a *Attempt, conn syscall.Conn, down int64) {
	if down < dropsBytes {
		return
	}
	share, ok := wasted(conn)
	if ok && c.drops.overrun(a.SynData, share, time.Now()) && c.synData.revoke() {
		c.log.Warn("the kernel drops what it has acknowledged: no data in the SYN for a while", "dropped", fmt.Sprintf("%.0f %%", share*100))
	}
}
