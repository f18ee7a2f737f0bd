package steer

import (
	"context"
	"net/netip"
	"time"

	"tandem/cpe/flows"
	"tandem/cpe/uplink"
	"tandem/shared/mptcp"
	"tandem/shared/nocmp"
)

// PathManager is the part of [mptcp.PathManager] needed here.
type PathManager interface {
	Announce(token uint32, local mptcp.Endpoint) error
	Announced(ctx context.Context, told func(token uint32, at netip.AddrPort))
	CreateSubflow(token uint32, local mptcp.Endpoint, remote netip.AddrPort) error
	DestroySubflow(token uint32, local, remote netip.AddrPort) error
	Remove(token uint32, localID uint8) error
	SetSubflowBackup(token uint32, local, remote netip.AddrPort, backup bool) error
}

// record is what is known of one flow. Addresses stand for lines, since
// subflows outlive the address of their line for a while.
type record struct {
	flow   *flows.Flow
	token  uint32
	remote netip.AddrPort
	join   netip.AddrPort // where new subflows go; not valid: that is not known
	legs   map[netip.Addr]*leg

	at     time.Time // bytes were last counted
	bytes  int64     // carried until then
	looked time.Time // at the subflows
	rate   float64   // bit/s, lately
	wide   time.Time // it is so fast or was, that it needs more than one line
	unrest bool      // something is under way
}

// leg is a subflow, or the wish for one, from one local address.
type leg struct {
	_         nocmp.Field
	wasBackup bool      // as last told to the kernel
	told      bool      // since the subflow is there
	tried     time.Time // to make it
	asked     bool      // the kernel took that, and it has not come about yet
	pause     time.Duration
	drain     time.Time // it is not wanted any more since
	made      bool      // by us
	here      time.Time // the subflow was first seen established
	up, down  uint64    // bytes carried when last looked at
	carried   time.Time // when these last grew
}

const (
	// A subflow that is not wanted stays as a backup until nothing has come for
	// a while, so that what is under way on it arrives, but not for ever.
	drainQuiet = 150 * time.Millisecond // and two round trips
	drainMost  = 1500 * time.Millisecond

	// lives is how old a subflow gets that the peer does not refuse: that comes
	// with the third packet, when it counts as established here.
	lives = time.Second

	retryFirst = 500 * time.Millisecond
	retryMost  = 30 * time.Second
)

// legOf returns the leg of an address.
func (r *record) legOf(a netip.Addr) *leg {
	l := r.legs[a]
	if l == nil {
		if r.legs == nil {
			r.legs = make(map[netip.Addr]*leg)
		}
		l = new(leg)
		r.legs[a] = l
	}
	return l
}

// mover makes one flow's subflows what its plan says.
type mover struct {
	pm  PathManager
	ids func(netip.Addr) uint8
	now time.Time
	// announce: this kernel knows the device of a subflow only if its address
	// was announced with it.
	announce bool
	// joined, if set, is told what came of a subflow that was asked for.
	joined func(w uplink.WAN, came bool)
}

// report tells what came of the subflow of a leg.
func (m *mover) report(l *leg, w uplink.WAN, came bool) {
	if l.asked && m.joined != nil {
		m.joined(w, came)
	}
	l.asked = false
}

// move compares and acts. It returns whether it has to be called again soon.
func (m *mover) move(r *record, subflows []mptcp.Subflow, wans []uplink.WAN, uses []use) (unrest bool) {
	live := make(map[netip.Addr]mptcp.Subflow, len(subflows))
	for _, s := range subflows {
		if s.State == mptcp.StateEstablished || s.State == mptcp.StateSynSent {
			live[s.Local.Addr()] = s
			r.remote = s.Remote
		}
	}
	wanted := make(map[netip.Addr]use, len(wans))
	planned, carries := 0, 0 // lines, and those of them that carry already
	for i, u := range uses {
		a, ok := wans[i].Source(r.remote.Addr())
		if u == none || !ok {
			continue
		}
		wanted[a] = u
		planned++
		s, there := live[a]
		switch {
		case !there && !r.join.IsValid():
		case !there:
			m.create(r, wans[i], a, u)
			unrest = true
		case s.State != mptcp.StateEstablished:
			unrest = true
		default:
			m.report(r.legOf(a), wans[i], true)
			m.tell(r, s, u == backup)
			young := m.wake(r, s) // and may be refused yet
			unrest = unrest || young
			if u == carry && !young {
				carries++
			}
		}
	}
	for a, s := range live {
		if wanted[a] != none || planned == 0 {
			continue
		}
		if carries == 0 { // it is all there is, or was
			unrest = true
			continue
		}
		if isUp(wans, a) {
			l := r.legOf(a)
			if l.drain.IsZero() {
				m.tell(r, s, true)
				l.drain = m.now
			}
			if !l.drained(m.now, s) {
				unrest = true
				continue
			}
		}
		m.end(r, s)
		delete(r.legs, a)
	}
	return unrest
}

// drained tells whether nothing is under way on a subflow that is not wanted.
func (l *leg) drained(now time.Time, s mptcp.Subflow) bool {
	if now.Sub(l.drain) >= drainMost {
		return true
	}
	last := l.drain
	if l.carried.After(last) {
		last = l.carried
	}
	return s.Unacked == 0 && now.Sub(last) >= drainQuiet+2*s.RTT
}

// end closes a subflow and has the peer told over another one (REMOVE_ADDR): over
// its own line the peer may not hear of it, and would wait for what is under way
// there until its timers have run out several times.
//
// The first subflow goes by the number 0. It is closed before, since it would be
// the one that the kernel tells the peer on; the others are known only until they
// are closed.
func (m *mover) end(r *record, s mptcp.Subflow) {
	first := s.ID == 1
	if !first {
		_ = m.pm.Remove(r.token, m.ids(s.Local.Addr()))
	}
	_ = m.pm.DestroySubflow(r.token, s.Local, s.Remote) // it may have ended by itself
	if first {
		_ = m.pm.Remove(r.token, 0)
	}
}

// tell makes a subflow a backup or not, here and at the peer.
func (m *mover) tell(r *record, s mptcp.Subflow, asBackup bool) {
	l := r.legOf(s.Local.Addr())
	if !asBackup {
		l.drain = time.Time{}
	}
	if l.wasBackup == asBackup && (l.told || !asBackup) {
		return
	}
	if m.pm.SetSubflowBackup(r.token, s.Local, s.Remote, asBackup) == nil {
		l.wasBackup, l.told = asBackup, true
	}
}

// wake has the peer look for something to send over a subflow that was made: a
// join as such does not (docs/kernel-notes.md, 3.1), so that a download whose line
// has died would stand until a timer runs out. What does is a packet with a data
// acknowledgement, here MP_PRIO with what is in force anyway, which also carries a
// REMOVE_ADDR that waits. It can go when the fourth packet of the handshake is
// there, a round trip after the second. wake tells whether it is still to come.
func (m *mover) wake(r *record, s mptcp.Subflow) bool {
	l := r.legOf(s.Local.Addr())
	if l.here.IsZero() {
		l.here = m.now
	}
	if m.now.Sub(l.here) >= lives {
		l.pause = 0
	}
	if !l.made {
		return false
	}
	if m.now.Sub(l.here) < s.RTT+s.RTTVar/2 {
		return true
	}
	l.made = false
	_ = m.pm.SetSubflowBackup(r.token, s.Local, s.Remote, l.wasBackup)
	return false
}

// create begins a subflow, again and again with growing pauses while that
// fails.
func (m *mover) create(r *record, w uplink.WAN, a netip.Addr, u use) {
	l := r.legOf(a)
	if m.now.Sub(l.tried) < l.pause {
		return
	}
	m.report(l, w, false)
	l.tried, l.pause = m.now, min(max(retryFirst, 2*l.pause), retryMost)
	l.wasBackup, l.told, l.drain = u == backup, false, time.Time{}
	l.made, l.here = true, time.Time{}
	e := mptcp.Endpoint{ID: m.ids(a), Addr: a, IfIndex: w.Index}
	if u == backup {
		e.Flags = mptcp.FlagBackup
	}
	if m.announce {
		_ = m.pm.Announce(r.token, mptcp.Endpoint{ID: e.ID, Addr: a, IfIndex: w.Index})
	}
	// ENOTCONN: the peer has yet to confirm MPTCP. What else fails now may
	// work later.
	l.asked = m.pm.CreateSubflow(r.token, e, r.join) == nil
}

// isUp tells whether an address belongs to a line that is up.
func isUp(wans []uplink.WAN, a netip.Addr) bool {
	for _, w := range wans {
		for _, have := range w.Addrs {
			if have == a {
				return w.Up
			}
		}
	}
	return false
}
