package e2e

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tandem/lab/house"
	labnet "tandem/lab/net"
)

var (
	chaosEvents = flag.Int("chaos", 60, "TestChaos: how many events")
	chaosSeed   = flag.Uint64("seed", 1, "TestChaos: which events; 0 takes others each time")
)

// chaos does things to a house, and keeps a record of what a connection may
// break by: when no line worked, and when the concentrator was gone.
type chaos struct {
	*house.House
	t     *testing.T
	rng   *rand.Rand
	begin time.Time
	lines map[string]*chaosLine
	count map[string]int
	alone int // events since a line worked

	mu       sync.Mutex
	restarts []span
	noLine   []span
}

type chaosLine struct {
	name       string
	down, hole bool
	lossy      bool
	moved      bool      // has its other address
	since      time.Time // when it became what it is, dead or alive
}

func (l *chaosLine) dead() bool { return l.down || l.hole }

// span is a time; to is zero while it lasts.
type span struct{ from, to time.Time }

func (s span) overlaps(from, to time.Time) bool {
	return s.from.Before(to) && (s.to.IsZero() || s.to.After(from))
}

// back is how long a line that has come back may take until connections have a
// subflow on it: one that loses its only other line meanwhile has none.
const back = 3 * time.Second

// longest bounds the events without any line, so that no connection can have a
// reason to wait for longer than its deadline. It counts events and not time, so
// that the same seed makes the same ones.
const longest = 6

// happen does one thing and says what.
func (c *chaos) happen() string {
	name := []string{"dsl", "lte"}[c.rng.IntN(2)]
	l, other := c.lines[name], c.lines[map[string]string{"dsl": "lte", "lte": "dsl"}[name]]
	switch n := c.rng.IntN(100); {
	case l.dead() && (n < 70 || other.dead()):
		c.line(l, "up", func() error { l.down, l.hole = false, false; return c.revive(l.name) })
		return name + " up"
	case n < 22 && (!other.dead() || c.rng.IntN(4) == 0):
		c.line(l, "down", func() error { l.down = true; return c.Link(name).SetDown(true) })
		return name + " down"
	case n < 44 && (!other.dead() || c.rng.IntN(4) == 0):
		c.line(l, "blackhole", func() error { l.hole = true; return c.Link(name).SetBlackhole(true) })
		return name + " blackhole"
	case n < 60:
		l.lossy = !l.lossy
		loss := 0.0
		if l.lossy {
			loss = 0.01 + 0.04*c.rng.Float64()
		}
		c.must(c.Link(name).Change(func(k *labnet.LinkConfig) { k.Down.Loss, k.Up.Loss = loss, loss }))
		return fmt.Sprintf("%s loses %.1f %%", name, loss*100)
	case n < 78:
		// The line's connections have to make new subflows.
		c.line(l, "address", func() error { return c.readdress(l) })
		return name + " other address"
	case n < 82:
		return c.restart()
	default:
		return c.reload()
	}
}

// line changes a line and books what that means.
func (c *chaos) line(l *chaosLine, what string, do func() error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l.since = time.Now()
	c.must(do())
	c.book()
}

// book opens or closes a span without a line. A line that is back for a moment
// only does not count as one yet, while the other is dead.
func (c *chaos) book() {
	now := time.Now()
	works, fresh := 0, 0
	for _, l := range c.lines {
		switch {
		case l.dead():
		case now.Sub(l.since) < back:
			fresh++
		default:
			works++
		}
	}
	open := len(c.noLine) > 0 && c.noLine[len(c.noLine)-1].to.IsZero()
	switch {
	case works == 0 && !open:
		c.noLine = append(c.noLine, span{from: now.Add(-time.Millisecond)})
	case works > 0 && open:
		c.noLine[len(c.noLine)-1].to = now
	}
}

func (c *chaos) revive(name string) error {
	if err := c.Link(name).SetDown(false); err != nil {
		return err
	}
	return c.Link(name).SetBlackhole(false)
}

// readdress gives a line the other one of two addresses.
func (c *chaos) readdress(l *chaosLine) error {
	first, _ := labnet.WANAddr(l.name)
	gateways := map[string][2]string{"dsl": {"198.51.100.1", "198.51.100.5"}, "lte": {"198.51.100.129", "198.51.100.133"}}[l.name]
	addrs := [2]string{first.V4.String(), map[string]string{"dsl": "198.51.100.6", "lte": "198.51.100.134"}[l.name]}
	was, is := addrs[0], addrs[1]
	gateway := gateways[1]
	if l.moved {
		was, is, gateway = is, was, gateways[0]
	}
	l.moved = !l.moved
	n := map[string]string{"dsl": "1", "lte": "2"}[l.name]
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_, err := c.Host("cpe").Run(ctx, "sh", "-ec", fmt.Sprintf(`
		ip addr del %[1]s/30 dev %[2]s
		ip addr add %[3]s/30 dev %[2]s
		ip route replace default via %[4]s dev %[2]s metric %[5]s0
		ip route replace default via %[4]s dev %[2]s table 10%[5]s
		ip rule del from %[3]s lookup 10%[5]s 2>/dev/null || true
		ip rule add from %[3]s lookup 10%[5]s priority 100%[5]s`, was, l.name, is, gateway, n))
	return err
}

// restart takes the concentrator away and brings it back: its connections end.
func (c *chaos) restart() string {
	c.mu.Lock()
	c.restarts = append(c.restarts, span{from: time.Now()})
	c.mu.Unlock()
	what := "concentrator killed"
	if c.rng.IntN(2) == 0 {
		what = "concentrator stopped"
		c.must(c.Concentrator.Stop(2 * time.Second))
	} else {
		c.must(c.Concentrator.Kill())
	}
	c.must(c.StartConcentrator(context.Background()))
	c.mu.Lock()
	c.restarts[len(c.restarts)-1].to = time.Now()
	c.mu.Unlock()
	return what
}

// reload gives the router another configuration.
func (c *chaos) reload() string {
	main := fmt.Sprintf("%s\toption first_byte '%s'\n\toption warm_max '%d'\n\toption quic '%s'\n\toption mode '%s'\n", chaosMain,
		[]string{"auto", "warm", "plain"}[c.rng.IntN(3)], c.rng.IntN(8), []string{"pass", "refuse"}[c.rng.IntN(2)],
		[]string{"bond", "bond", "failover", "lowest-delay"}[c.rng.IntN(4)])
	rules := ""
	for range c.rng.IntN(3) {
		rules += fmt.Sprintf("config rule\n\toption action '%s'\n\tlist port '%d'\n", []string{"bond", "failover", "lowest-delay"}[c.rng.IntN(3)],
			[]int{house.EchoPort, house.HTTPPort}[c.rng.IntN(2)])
	}
	c.must(c.WriteCPE(main, rules))
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c.must(c.ReloadCPE(ctx))
	return "reload"
}

// chaosMain refuses what no concentrator takes: a connection that goes direct
// has one line and breaks with it, and nobody could tell.
//
// A concentrator that is there but busy, as the whole machine may be, is no
// reason: it gets time to answer.
const chaosMain = "\toption on_failure 'refuse'\n\toption log_level 'debug'\n\toption connect_timeout '3000'\n"

func (c *chaos) must(err error) {
	if err != nil {
		c.t.Error(err)
	}
}

// excuse says why a connection that lived then may have broken; empty if there
// is no reason.
func (c *chaos) excuse(from, to time.Time) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	overlap := func(s span) bool { return s.overlaps(from, to) }
	// Until it is known to be back, connections are refused.
	late := func(s span) bool {
		if !s.to.IsZero() {
			s.to = s.to.Add(back)
		}
		return s.overlaps(from, to)
	}
	switch {
	case slices.ContainsFunc(c.restarts, late):
		return "concentrator restarted"
	case slices.ContainsFunc(c.noLine, overlap):
		return "no line"
	case slices.ContainsFunc(c.noLine, late):
		return "no line until a moment ago"
	}
	return ""
}

// heal brings everything back.
func (c *chaos) heal() {
	for _, l := range c.lines {
		c.line(l, "up", func() error { l.down, l.hole = false, false; return c.revive(l.name) })
		c.must(c.Link(l.name).Change(func(k *labnet.LinkConfig) { k.Down.Loss, k.Up.Loss = 0, 0 }))
	}
}

// weight is what a process holds.
type weight struct {
	files, threads int
	rss            int64 // bytes
}

func weigh(t *testing.T, pid int) (w weight) {
	t.Helper()
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	w.files = len(all)
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 {
			n, _ := strconv.Atoi(f[1])
			switch f[0] {
			case "VmRSS:":
				w.rss = int64(n) << 10
			case "Threads:":
				w.threads = n
			}
		}
	}
	return w
}

// TestChaos does random things to lines, concentrator and configuration under
// 50 connections whose every byte is checked. None may carry a wrong byte, get
// stuck, or break without a reason; nothing may leak or be left behind. The
// events follow from the seed, which is printed.
func TestChaos(t *testing.T) {
	t.Parallel()
	seed := *chaosSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d, %d events: go test ./lab/e2e -run TestChaos -chaos %[2]d -seed %[1]d", seed, *chaosEvents)
	line := labnet.Symmetric(30e6, 30e6, 10*time.Millisecond)
	h := build(t, house.Options{CPE: chaosMain, Spec: labnet.Spec{WANs: []labnet.WAN{{Name: "dsl", Link: line}, {Name: "lte", Link: line}}}})
	ctx := within(t, 5*time.Minute+time.Duration(*chaosEvents)*3*time.Second)
	for dev, addr := range map[string]string{"dsl0": "198.51.100.5/30", "lte0": "198.51.100.133/30"} {
		run(t, ctx, h.Host("core"), "ip", "addr", "add", addr, "dev", dev)
	}
	c := &chaos{House: h, t: t, rng: rand.New(rand.NewPCG(seed, 0)), begin: time.Now(), count: map[string]int{}, lines: map[string]*chaosLine{"dsl": {name: "dsl"}, "lte": {name: "lte"}}}

	const live = 50
	crowd := newCrowd(c, live, seed)
	crowd.start(ctx)
	eventually(t, time.Minute, "all connections have carried something", func() bool { return crowd.finished() > live })
	before := weigh(t, h.CPE.PID())

	for i := range *chaosEvents {
		begun := time.Now()
		what := c.happen()
		kind := strings.Fields(strings.TrimPrefix(strings.TrimPrefix(what, "dsl "), "lte "))
		c.count[kind[0]]++
		if t.Failed() {
			t.Fatalf("event %d: %s", i, what)
		}
		pause := time.Duration(100+c.rng.IntN(500)) * time.Millisecond
		time.Sleep(pause) // the pace of events
		if c.alone++; !c.lines["dsl"].dead() || !c.lines["lte"].dead() {
			c.alone = 0
		}
		if c.alone == longest {
			what += ", and both lines up"
			for _, name := range []string{"dsl", "lte"} {
				l := c.lines[name]
				c.line(l, "up", func() error { l.down, l.hole = false, false; return c.revive(name) })
			}
		}
		c.mu.Lock()
		c.book()
		c.mu.Unlock()
		t.Logf("%7.3f s  %s (%v)", begun.Sub(c.begin).Seconds(), what, time.Since(begun).Round(time.Millisecond))
	}
	t.Logf("events: %v", c.count)
	c.heal()
	crowd.end(t)

	eventually(t, time.Minute, "no connection is left, and both lines are up", func() bool {
		p := askPaths(t, h)
		return askFlows(t, h).Total == 0 && p.line(t, "dsl").Up && p.line(t, "lte").Up && p.Concentrators[0].Up
	})
	if err := h.Download(ctx, "", house.Server4, 1<<20); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	after := weigh(t, h.CPE.PID())
	// Warm connections, and what the runtime keeps.
	eventually(t, time.Minute, "descriptors are given back", func() bool {
		after = weigh(t, h.CPE.PID())
		return after.files <= 48+2*8
	})
	t.Logf("router's daemon: %+v before, %+v after; concentrator: %+v", before, after, weigh(t, h.Concentrator.PID()))
	if after.rss > before.rss+24<<20 {
		t.Errorf("memory grew from %d to %d MB", before.rss>>20, after.rss>>20)
	}
	c.leavesNothing(ctx)
}

// leavesNothing ends the daemon so that it lists its goroutines, then starts it
// over the remains and ends it in order.
func (c *chaos) leavesNothing(ctx context.Context) {
	t := c.t
	if err := c.CPE.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	_ = c.CPE.Wait(20 * time.Second) // it ends with a status of its own
	if n := c.CPE.Log.Count("goroutine "); n == 0 || n > 80 {
		t.Errorf("%d goroutines at the end, want at most 80", n)
	} else {
		t.Logf("%d goroutines", n)
	}
	if err := c.StartCPE(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.CPE.Stop(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	for _, left := range []string{"table inet tandem ", "lookup 5125", "table 5125", "endpoint", " id "} {
		if after := traces(t, c.House); strings.Contains(after, left) {
			t.Errorf("left behind (%q):\n%s", left, after)
		}
	}
}
