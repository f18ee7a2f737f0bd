package e2e

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tandem/lab/house"
)

// TestNewConnectionsWhileAddressChanges opens connections without a pause while
// the first line gets another address, again and again: none is refused. One whose
// answer and its end are on their way in that moment may lose them
// (docs/kernel-notes.md, 3.2).
func TestNewConnectionsWhileAddressChanges(t *testing.T) {
	t.Parallel()
	o := sixty()
	o.CPE = "\toption on_failure 'refuse'\n\toption first_byte 'plain'\n\toption connect_timeout '3000'\n"
	h := build(t, o)
	ctx := within(t, time.Minute)
	if _, err := h.FirstByte(ctx, "", house.Server4); err != nil {
		t.Fatal(err)
	}
	run(t, ctx, h.Host("core"), "ip", "addr", "add", "198.51.100.5/30", "dev", "dsl0")
	var mu sync.Mutex
	var opened int
	var worst time.Duration
	var broken atomic.Int64
	begin := time.Now()
	flows := goesOn()
	flows.again(16, func() bool {
		from := time.Since(begin)
		took, err := h.FirstByte(ctx, "", house.Server4)
		mu.Lock()
		opened++
		worst = max(worst, took)
		mu.Unlock()
		if err != nil {
			broken.Add(1)
			t.Logf("begun after %v, ended after %v: %v", from.Round(time.Millisecond), time.Since(begin).Round(time.Millisecond), err)
		}
		return true
	})
	changes := 6
	if *long {
		changes = 40
	}
	c := &chaos{House: h, t: t}
	line := &chaosLine{name: "dsl"}
	for range changes {
		time.Sleep(600 * time.Millisecond) // between changes
		t.Logf("%v: another address", time.Since(begin).Round(time.Millisecond))
		c.must(c.readdress(line))
	}
	flows.end()
	t.Logf("%d connections, the longest took %v", opened, worst.Round(time.Millisecond))
	if n := int(broken.Load()); n > opened/20 {
		t.Errorf("%d of %d broke", n, opened)
	}
	if f := status(t, h).Flows; f.Direct != 0 || f.Refused != 0 {
		t.Errorf("flows %+v: all had a line that worked", f)
	}
}
