package steer

import (
	"context"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"tandem/cpe/config"
	"tandem/cpe/flows"
	"tandem/cpe/uplink"
	"tandem/shared/logline"
	"tandem/shared/mptcp"
)

// Steerer looks after the subflows of all flows.
type Steerer struct {
	Log   *logline.Logger
	PM    PathManager
	Lines *uplink.Tracker
	Flows *flows.Table
	// Joined, if set, is told whether a subflow that was asked for came about.
	Joined func(concentrator string, line uplink.WAN, came bool)

	records map[uint64]*record
	loads   map[string]*load // by line
	spill   spill
	more    atomic.Int32 // spill.more, for others

	wans []uplink.WAN // as of the last step
	last time.Time
	wait time.Duration // until the next one; 0: for an event
	ids  map[netip.Addr]uint8

	announce bool
	used     uint8

	announced announced
	listening bool // to announcements
}

const (
	// quickTick is how often the flows are looked at while a subflow is on its
	// way, busyTick while some of them move, idleTick while none does.
	quickTick = 25 * time.Millisecond
	busyTick  = 100 * time.Millisecond
	idleTick  = time.Second
	// heldUp is how late a look may be. More says that the processor is what is
	// full.
	heldUp = 150 * time.Millisecond
	// idleLook is how often a flow that does not move is looked at.
	idleLook = 5 * time.Second

	// A flow that carries less than this needs no second line.
	wideRate  = 256e3 // bit/s
	wideBytes = 256 << 10
	wideAge   = 500 * time.Millisecond
	wideFor   = 3 * time.Second // it may pause
)

// Run steers until ctx ends. While there are no flows it sleeps.
func (s *Steerer) Run(ctx context.Context) error {
	s.records = make(map[uint64]*record)
	s.loads = make(map[string]*load)
	s.ids = make(map[netip.Addr]uint8)
	s.announced.last = make(map[uint32]netip.AddrPort)
	s.announce = CreateForgetsDevice()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		wait := s.step(ctx, time.Now())
		s.wait = wait
		var added <-chan struct{}
		if wait == 0 || wait > busyTick { // else the next look is near
			added = s.Flows.Added()
		}
		var due <-chan time.Time
		if wait > 0 {
			timer.Reset(wait)
			due = timer.C
		}
		select {
		case <-ctx.Done():
			return nil
		case <-added:
		case <-s.Lines.Moved():
		case <-due:
		}
	}
}

// More is how many lines beyond the preferred one flows of mode overflow have
// at present.
func (s *Steerer) More() int { return int(s.more.Load()) }

// step looks at all flows and says when to do so again; 0: not before
// something happens.
func (s *Steerer) step(ctx context.Context, now time.Time) time.Duration {
	open := s.Flows.List()
	wans := s.Lines.WANs()
	moved := !uplink.SameWays(wans, s.wans)
	s.wans = wans
	dt := min(now.Sub(s.last), idleTick)
	if s.wait > 0 && now.Sub(s.last)-s.wait > heldUp {
		for _, l := range s.loads {
			l.heldUp(now)
		}
	}
	s.last = now
	if len(open) == 0 && s.spill.more == 0 {
		clear(s.records)
		return 0
	}
	wans = s.Lines.Sample()
	for _, w := range wans {
		counters, _ := s.Lines.Meter().Read(w.Name)
		s.load(w.Name).count(now, w, counters)
	}
	wait, overflows := idleTick, s.spill.more > 0
	due := make([]*record, 0, len(open))
	for _, f := range open {
		if f.Concentrator == "" {
			continue
		}
		if f.Upstream() == nil { // any moment now
			wait = quickTick
			continue
		}
		r := s.records[f.ID]
		if r == nil {
			r = &record{flow: f}
			s.records[f.ID] = r
			if f.OnPath && !s.listening { // it takes a round trip to come
				s.listening = true
				s.PM.Announced(ctx, s.announced.book)
			}
		}
		moves := r.follow(now)
		if moves {
			wait = min(wait, busyTick)
		}
		overflows = overflows || f.Steering == config.Overflow
		if moves || moved || r.unrest || now.Sub(r.looked) >= idleLook {
			due = append(due, r)
		}
	}
	if s.spill.more > 0 {
		wait = min(wait, busyTick)
	}
	looks := make([][]mptcp.Subflow, len(due))
	for i, r := range due {
		looks[i] = s.look(r, now)
	}
	if overflows && s.judge(now, dt) {
		due, looks = s.all(open, now)
	}
	m := &mover{pm: s.PM, ids: s.id, now: now, announce: s.announce}
	for i, r := range due {
		if r.looked = now; s.Joined != nil {
			m.joined = func(w uplink.WAN, came bool) { s.Joined(r.flow.Concentrator, w, came) }
		}
		if r.unrest = false; len(looks[i]) == 0 && !r.remote.IsValid() {
			continue
		}
		more := 0
		if now.Sub(r.wide) < wideFor {
			more = s.spill.more
		}
		if !r.remote.IsValid() {
			r.remote = looks[i][0].Remote
		}
		if r.join = r.remote; r.flow.OnPath {
			r.join = s.announced.of(r.token)
		}
		if r.unrest = m.move(r, looks[i], wans, plan(r.flow.Steering, wans, r.remote.Addr(), r.flow.Line, more)); r.unrest {
			wait = min(wait, quickTick)
		}
	}
	s.forget(open)
	return wait
}

// follow books what the flow has carried, and tells whether it moves.
func (r *record) follow(now time.Time) (moves bool) {
	up, down := r.flow.Bytes()
	total := up + down
	if r.at.IsZero() {
		r.at, r.bytes = now, total
		return true
	}
	dt := now.Sub(r.at).Seconds()
	if dt <= 0 {
		return false
	}
	moves = total != r.bytes
	r.rate += (float64(total-r.bytes)*8/dt - r.rate) * min(1, dt/0.5)
	r.bytes = total
	r.at = now
	if r.rate >= wideRate && total >= wideBytes && now.Sub(r.flow.Started) >= wideAge {
		r.wide = now
	}
	return moves
}

// look asks a flow's subflows, and lets them tell of their lines.
func (s *Steerer) look(r *record, now time.Time) []mptcp.Subflow {
	if r.token == 0 {
		info, err := mptcp.Inspect(r.flow.Upstream())
		if err != nil || info.Fallback {
			return nil
		}
		r.token = info.Token
	}
	subflows, err := r.flow.Subflows()
	if err != nil {
		return nil
	}
	unsent, err := mptcp.Unsent(r.flow.Upstream())
	if err != nil {
		return nil
	}
	for _, f := range subflows {
		name, ok := s.Lines.LineOf(f.Local.Addr())
		if !ok || f.State != mptcp.StateEstablished {
			continue
		}
		l := r.legOf(f.Local.Addr())
		up, down := f.BytesAcked-min(l.up, f.BytesAcked), f.BytesReceived-min(l.down, f.BytesReceived)
		full := up > down && mptcp.Full(r.flow.Upstream())
		s.load(name).sample(f, up, down, uint64(unsent)+uint64(f.NotSent), full)
		if l.up != f.BytesAcked || l.down != f.BytesReceived {
			l.up, l.down, l.carried = f.BytesAcked, f.BytesReceived, now
		}
	}
	return subflows
}

// all looks at every flow.
func (s *Steerer) all(open []*flows.Flow, now time.Time) (due []*record, looks [][]mptcp.Subflow) {
	for _, f := range open {
		if r := s.records[f.ID]; r != nil {
			due = append(due, r)
			looks = append(looks, s.look(r, now))
		}
	}
	return due, looks
}

// judge decides how many lines overflow has.
func (s *Steerer) judge(now time.Time, dt time.Duration) (changed bool) {
	for _, l := range s.loads {
		l.judge(now, dt)
	}
	var lines []*load
	var names []string
	for _, dst := range s.targets() {
		for _, i := range inOrder(s.wans, dst) {
			if w := s.wans[i]; w.Role != config.Standby && !slices.Contains(names, w.Name) {
				names, lines = append(names, w.Name), append(lines, s.load(w.Name))
			}
		}
	}
	before := s.spill.more
	if !s.spill.step(now, dt, lines) {
		return false
	}
	s.more.Store(int32(s.spill.more))
	if s.spill.more > before {
		s.Log.Info("lines are full: one more is used", "wan", names[s.spill.more],
			"down_mbps", int(lines[before].down.rate/1e6), "up_mbps", int(lines[before].up.rate/1e6))
	} else {
		s.Log.Info("lines have room: the last one is left", "in_use", names[:min(len(names), s.spill.more+1)])
	}
	return true
}

// targets are the concentrators' addresses that flows go to.
func (s *Steerer) targets() (all []netip.Addr) {
	for _, r := range s.records {
		if a := r.remote.Addr(); a.IsValid() && !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	return all
}

func (s *Steerer) load(name string) *load {
	l := s.loads[name]
	if l == nil {
		l = new(load)
		s.loads[name] = l
	}
	return l
}

// id is the address identifier of a local address: always the same, since the
// kernel remembers it per connection.
func (s *Steerer) id(a netip.Addr) uint8 {
	id := s.ids[a]
	if id == 0 {
		if s.used++; s.used == 0 {
			clear(s.ids) // 255 addresses later none of them is in use any more
			s.used = 1
		}
		id = s.used
		s.ids[a] = id
	}
	return id
}

// forget drops the records of flows that have ended.
func (s *Steerer) forget(open []*flows.Flow) {
	if len(s.records) <= len(open) {
		return
	}
	alive := make(map[uint64]bool, len(open))
	for _, f := range open {
		alive[f.ID] = true
	}
	for id := range s.records {
		if !alive[id] {
			delete(s.records, id)
		}
	}
}
