package uplink

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"tandem/cpe/config"
	"tandem/cpe/policy"
	"tandem/shared/logline"
	"tandem/shared/order"
)

// Tracker follows the lines.
type Tracker struct {
	log       *logline.Logger
	endpoints *endpoints
	wans      atomic.Pointer[[]WAN]
	facts     atomic.Pointer[policy.Facts]
	changed   chan struct{}
	meter     Meter
	sources   sources
	suspects  chan string
	moved     chan struct{}

	mu         sync.Mutex // guards what follows; held over a refresh
	configured *config.Config
	spent      func(line string) (resets string, spent bool) // nil: no quotas
	dead       map[string]string                             // lines that do not answer, and why that is thought
	delays     delays
	routeWait  time.Duration // until the next look for a route
	routeLook  *time.Timer
}

// A line's routes come some milliseconds after its address, or never.
const (
	routeFirst = 50 * time.Millisecond
	routeMost  = 5 * time.Second
)

// NewTracker looks at the lines once and sets the endpoints accordingly.
//
// With kernel false the kernel's path manager is not in charge of connections:
// then there are none.
func NewTracker(log *logline.Logger, pm PathManager, c *config.Config, kernel bool) (*Tracker, error) {
	t := &Tracker{log: log, endpoints: &endpoints{pm: pm, log: log, idle: !kernel, lost: make(map[string]bool)}, changed: make(chan struct{}, 1), suspects: make(chan string, 8), moved: make(chan struct{}, 1), dead: make(map[string]string)}
	t.endpoints.again = t.Poke
	if err := t.endpoints.open(); err != nil {
		return nil, err
	}
	return t, t.Configure(c)
}

// WANs returns the lines as they are now, in the order of the configuration.
// The slice is not changed later; do not change it either.
func (t *Tracker) WANs() []WAN { return *t.wans.Load() }

// Devices returns those of the lines that are up and have an address of dst's
// family, the preferred one first.
func (t *Tracker) Devices(dst netip.Addr) (devices []string) {
	wans := t.WANs()
	if len(wans) < 2 {
		return nil
	}
	for w, ok := First(wans, dst, config.Bond); ok; w, ok = First(wans, dst, config.Bond) {
		devices = append(devices, w.Device)
		rest := make([]WAN, 0, len(wans))
		for _, o := range wans {
			if o.Name != w.Name {
				rest = append(rest, o)
			}
		}
		wans = rest
	}
	return devices
}

// Meter counts what the lines' devices carry.
func (t *Tracker) Meter() *Meter { return &t.meter }

// Counters returns the last sample of a line's device.
func (t *Tracker) Counters(line string) Counters {
	c, _ := t.meter.Read(line)
	return c
}

// LineOf returns the line that has, or lately had, the given address.
func (t *Tracker) LineOf(source netip.Addr) (name string, ok bool) { return t.sources.line(source) }

// Facts returns the router's own addresses and neighbouring networks.
func (t *Tracker) Facts() policy.Facts { return *t.facts.Load() }

// Changed receives when Facts has changed since it was last received from.
func (t *Tracker) Changed() <-chan struct{} { return t.changed }

// Configure takes the lines of another configuration.
func (t *Tracker) Configure(c *config.Config) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.configured = c
	return t.refresh()
}

// Restrain makes the tracker ask spent which lines have used up their quota, and
// until when. Poke it when the answer changes.
func (t *Tracker) Restrain(spent func(line string) (resets string, spent bool)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.spent = spent
	return t.refresh()
}

// LeaveKernel says that connections made from now on are not in the care of the
// kernel's path manager. Endpoints stay for those made before.
func (t *Tracker) LeaveKernel() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.endpoints.idle = true
}

// Delay books a round trip to the concentrator over a line.
func (t *Tracker) Delay(line string, rtt time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.delays.book(line, rtt) {
		wans := slices.Clone(t.WANs())
		t.delays.apply(wans)
		t.wans.Store(&wans)
	}
}

// Suspect says that a line does not answer; [Tracker.Suspects] receives it.
func (t *Tracker) Suspect(line string) {
	select {
	case t.suspects <- line:
	default: // as many are being looked at
	}
}

// Moved receives when lines have come, gone or got another address.
func (t *Tracker) Moved() <-chan struct{} { return t.moved }

// Suspects receives the names of lines that were found not to answer.
func (t *Tracker) Suspects() <-chan string { return t.suspects }

// Declare books what the watch over a line found: that nothing comes back from
// it, with the reason, or with an empty one that it works.
func (t *Tracker) Declare(line, dead string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dead[line] == dead {
		return
	}
	t.dead[line] = dead
	if err := t.refresh(); err != nil {
		t.log.Warn("cannot read the state of the lines", "err", err)
	}
}

// Poke makes the tracker look at the lines now.
func (t *Tracker) Poke() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.refresh(); err != nil {
		t.log.Warn("cannot read the state of the lines", "err", err)
	}
}

// Sample reads the counters of all lines, which Meter then has, and returns
// the lines as they are.
func (t *Tracker) Sample() []WAN {
	if t.meter.Sample(t.WANs()) {
		t.Poke() // a carrier has changed and the event is still under way
	}
	return t.WANs()
}

// Run follows changes of links and addresses until ctx ends, then takes the
// endpoints away.
func (t *Tracker) Run(ctx context.Context) error {
	defer func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.endpoints.close()
	}()
	for ctx.Err() == nil {
		if err := t.follow(ctx); err != nil {
			// ENOBUFS and the like: events were lost, so look again at
			// everything and subscribe anew.
			t.log.Debug("netlink events interrupted", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
	return nil
}

// follow handles events until the subscription breaks or ctx ends.
func (t *Tracker) follow(ctx context.Context) error {
	c, err := watchChanges()
	if err != nil {
		return err
	}
	defer c.close()
	for {
		t.mu.Lock()
		err := t.refresh()
		t.mu.Unlock()
		if err != nil {
			t.log.Warn("cannot read the state of the lines", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-c.failed:
			return err
		case <-c.seen:
		}
	}
}

// refresh reads all lines and brings the endpoints in line with them.
func (t *Tracker) refresh() error {
	wans, unrouted := make([]WAN, 0, len(t.configured.WANs)), false
	for _, c := range t.configured.WANs {
		w, err := look(c)
		if err != nil {
			return err
		}
		if w.Up && !routed(w, t.configured.Concentrators) {
			w.Up, w.State = false, Down
			w.Reason = fmt.Sprintf("device %q has no route to a concentrator yet", w.Device)
			unrouted = true
		}
		w.Present = w.Up
		if t.spent != nil && c.Quota > 0 {
			if resets, spent := t.spent(c.Name); spent {
				w.restrain(c.QuotaAction, resets)
			}
		}
		if dead := t.dead[w.Name]; dead != "" && w.Up {
			w.Up, w.State, w.Reason = false, Down, dead
		}
		wans = append(wans, w)
	}
	var old []WAN
	if seen := t.wans.Load(); seen != nil {
		old = *seen
		logChanges(t.log, old, wans)
	}
	since(time.Now(), old, wans)
	t.await(unrouted)
	t.delays.apply(wans)
	t.wans.Store(&wans)
	if !SameWays(old, wans) {
		select {
		case t.moved <- struct{}{}:
		default:
		}
	}
	t.sources.learn(wans)
	facts, err := readFacts()
	if err != nil {
		return err
	}
	if old := t.facts.Swap(&facts); old != nil && !(slices.Equal(old.Local, facts.Local) && slices.Equal(old.OnLink, facts.OnLink) && old.Mwan3 == facts.Mwan3) {
		select {
		case t.changed <- struct{}{}:
		default:
		}
	}
	// What the kernel does not take costs a subflow, not the connection.
	if err := t.endpoints.sync(wans, t.configured.Concentrators); err != nil {
		t.log.Warn("not all lines have an MPTCP endpoint", "err", err)
	}
	return nil
}

// await looks again soon while a line waits for its routes, of which no event
// tells. Called with mu held.
func (t *Tracker) await(unrouted bool) {
	if !unrouted {
		t.routeWait = 0
		return
	}
	if t.routeWait == 0 || t.routeLook != nil && t.routeLook.Stop() {
		t.routeWait = max(t.routeWait, routeFirst)
	} else {
		t.routeWait = min(2*t.routeWait, routeMost)
	}
	t.routeLook = time.AfterFunc(t.routeWait, t.Poke)
}

// since notes when lines have come up, now if they were not up before.
func since(now time.Time, old, wans []WAN) {
	for i := range wans {
		w := &wans[i]
		at := slices.IndexFunc(old, func(o WAN) bool { return o.Name == w.Name })
		switch {
		case at >= 0 && w.Up && old[at].Up:
			w.Since = old[at].Since
		case w.Up:
			w.Since = now
		}
	}
}

func logChanges(log *logline.Logger, old, wans []WAN) {
	for _, w := range wans {
		i := slices.IndexFunc(old, func(o WAN) bool { return o.Name == w.Name })
		if i < 0 || old[i].Up != w.Up || !slices.Equal(old[i].Addrs, w.Addrs) {
			log.Info("line changed", "wan", w.Name, "device", w.Device, "up", w.Up, "reason", w.Reason, "addresses", w.Addrs)
		}
	}
}

// Look reads the state of lines once.
func Look(lines []config.WAN) ([]WAN, error) {
	var wans []WAN
	for _, c := range lines {
		w, err := look(c)
		if err != nil {
			return nil, err
		}
		w.Present = w.Up
		wans = append(wans, w)
	}
	return wans, nil
}

// look reads one line's state from the kernel.
func look(c config.WAN) (WAN, error) {
	w := WAN{Name: c.Name, Device: c.Device, Interface: c.Interface, Role: c.Role, Metered: c.Metered, State: Down,
		RateDown: float64(c.RateDown) * 1000, RateUp: float64(c.RateUp) * 1000}
	if c.Device == "" {
		w.Reason = fmt.Sprintf("interface %q is not up", c.Interface)
		return w, nil
	}
	d, err := deviceNamed(c.Device)
	if errors.Is(err, unix.ENODEV) {
		w.Reason = fmt.Sprintf("device %q does not exist", c.Device)
		return w, nil
	}
	if err != nil {
		return w, err
	}
	w.Index, w.pointToPoint = d.index, d.flags&unix.IFF_POINTOPOINT != 0
	addrs, err := readAddresses()
	if err != nil {
		return w, err
	}
	for _, a := range addrs {
		if ip, ok := usable(a); ok && a.device == d.index {
			w.Addrs = append(w.Addrs, ip)
		}
	}
	order.Slice(w.Addrs, func(i, j int) bool { return w.Addrs[i].BitLen() < w.Addrs[j].BitLen() })
	switch {
	case d.flags&unix.IFF_UP == 0:
		w.Reason = fmt.Sprintf("device %q is switched off", c.Device)
	case !hasCarrier(d.flags):
		w.NoCarrier = true
		w.Reason = fmt.Sprintf("device %q has no carrier", c.Device)
	case len(w.Addrs) == 0:
		w.Reason = fmt.Sprintf("device %q has no address yet", c.Device)
	default:
		w.Up, w.State = true, Up
	}
	return w, nil
}

// usable tells whether connections should start from a: global, valid, and
// not one that a privacy extension will soon replace.
func usable(a address) (netip.Addr, bool) {
	ip := a.ip.Unmap()
	const unfit = unix.IFA_F_TENTATIVE | unix.IFA_F_DADFAILED | unix.IFA_F_DEPRECATED | unix.IFA_F_TEMPORARY
	if a.scope != unix.RT_SCOPE_UNIVERSE || a.flags&unfit != 0 || ip.IsLinkLocalUnicast() {
		return ip, false
	}
	return ip, true
}
