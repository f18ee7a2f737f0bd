package uplink

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"tandem/cpe/config"
	"tandem/shared/logline"
	"tandem/shared/mptcp"
)

// PathManager is the part of [mptcp.PathManager] needed here.
type PathManager interface {
	Endpoints() ([]mptcp.Endpoint, error)
	AddEndpoint(mptcp.Endpoint) error
	DelEndpoint(mptcp.Endpoint) error
	Limits() (mptcp.Limits, error)
	SetLimits(mptcp.Limits) error
}

// endpoints keeps the kernel's list equal to the lines that are up. The list
// is one per network namespace: entries on other devices are left alone.
type endpoints struct {
	pm     PathManager
	log    *logline.Logger
	before mptcp.Limits // to be restored
	ours   []mptcp.Endpoint
	idle   bool // there are no connections that would use them, but those of ours

	dark  bool      // no line was up when last looked at
	until time.Time // to when nothing is removed
	again func()    // calls for another sync

	closed bool

	onPath bool            // servers' connections are taken over by one that announces its address
	lost   map[string]bool // lines that were down once; what leads to announced addresses goes over them anew
}

// returnTime is how long after a time without any line the endpoints of those
// that are still down are kept: lines that went together come back together, but
// not in the same moment. A connection of which one direction has ended takes
// no new subflow (net/mptcp/protocol.c, mptcp_finish_join, Linux 6.18), so it
// lives as long as one that it has.
const returnTime = 3 * time.Second

// maxSubflows is the kernel's own bound (8 additional ones before Linux 7).
const maxSubflows = 8

func (e *endpoints) open() error {
	var err error
	if e.before, err = e.pm.Limits(); err != nil {
		return fmt.Errorf("mptcp path manager: %w", err)
	}
	return e.setLimits()
}

// setLimits takes announced addresses only where a concentrator announces some:
// any server that speaks MPTCP could.
func (e *endpoints) setLimits() error {
	limits := e.before
	limits.Subflows = maxSubflows
	if e.onPath {
		limits.AddAddrAccepted = maxSubflows
	}
	return e.pm.SetLimits(limits)
}

// sync adds what is missing and removes what is gone. When no line is up, or was
// up a moment ago, it removes nothing: a connection that waits out a short break
// of its only path survives, one whose subflow was taken away may not.
//
// Lines get endpoints of the families in which a concentrator can be reached
// only: the kernel holds no more than eight (Linux 6.18).
func (e *endpoints) sync(wans []WAN, to []config.Concentrator) error {
	if e.closed {
		return nil
	}
	var errs []error
	if onPath := slices.ContainsFunc(to, func(c config.Concentrator) bool { return c.OnPath }); onPath != e.onPath {
		e.onPath = onPath
		errs = append(errs, e.setLimits())
	}
	var want []mptcp.Endpoint
	for _, w := range wans {
		if w.Up {
			want = append(want, e.of(w, to)...)
		} else {
			e.lost[w.Name] = true
		}
	}
	present, err := e.pm.Endpoints()
	if err != nil {
		return err
	}
	if e.idle && len(e.ours) == 0 {
		return e.sweep(present, wans)
	}
	for _, ep := range want {
		i := slices.IndexFunc(present, func(p mptcp.Endpoint) bool { return p.Addr == ep.Addr })
		if i >= 0 && present[i].IfIndex == ep.IfIndex && present[i].Flags&ownedFlags == ep.Flags {
			continue
		}
		if i >= 0 { // same address, other device or role
			errs = append(errs, e.pm.DelEndpoint(present[i]))
		}
		errs = append(errs, e.pm.AddEndpoint(ep))
	}
	now := time.Now()
	if e.dark && len(want) > 0 {
		e.until = now.Add(returnTime)
		time.AfterFunc(returnTime, e.again)
	}
	if e.dark = len(want) == 0; e.dark {
		return errors.Join(errs...)
	}
	for _, p := range present {
		switch {
		case !e.mine(p, wans) || slices.ContainsFunc(want, func(w mptcp.Endpoint) bool { return w.Addr == p.Addr }):
		case now.Before(e.until):
			want = append(want, p)
		default:
			errs = append(errs, e.pm.DelEndpoint(p))
		}
	}
	e.ours = want
	return errors.Join(errs...)
}

// sweep removes what a run that crashed has left.
func (e *endpoints) sweep(present []mptcp.Endpoint, wans []WAN) error {
	var errs []error
	for _, p := range present {
		if e.mine(p, wans) {
			errs = append(errs, e.pm.DelEndpoint(p))
		}
	}
	return errors.Join(errs...)
}

// ownedFlags are those sync sets and compares.
const ownedFlags = mptcp.FlagSubflow | mptcp.FlagBackup | mptcp.FlagFullmesh

// of returns a line's endpoints. A connection that is taken over on its way may
// get no subflow to the server's address: those over the other lines go to the
// announced one, for which the kernel takes endpoints with FlagFullmesh. On the
// line where connections begin that would make a second one, needed only when it
// was lost in between.
func (e *endpoints) of(w WAN, to []config.Concentrator) []mptcp.Endpoint {
	flags := mptcp.FlagSubflow
	if e.onPath && (w.Role != config.Primary || e.lost[w.Name]) {
		flags |= mptcp.FlagFullmesh
	}
	if w.Role == config.Standby {
		flags |= mptcp.FlagBackup
	}
	var eps []mptcp.Endpoint
	for _, c := range to {
		for _, dst := range c.Addresses {
			a, ok := w.Source(dst)
			if ok && !slices.ContainsFunc(eps, func(e mptcp.Endpoint) bool { return e.Addr == a }) {
				eps = append(eps, mptcp.Endpoint{Addr: a, IfIndex: w.Index, Flags: flags})
			}
		}
	}
	return eps
}

// mine tells whether an endpoint was made by us, in this run (addresses that
// changed, lines taken out of the configuration) or in one that crashed.
func (e *endpoints) mine(p mptcp.Endpoint, wans []WAN) bool {
	return slices.ContainsFunc(e.ours, func(o mptcp.Endpoint) bool { return o.Addr == p.Addr }) ||
		slices.ContainsFunc(wans, func(w WAN) bool { return w.Index != 0 && w.Index == p.IfIndex })
}

func (e *endpoints) close() {
	e.closed = true
	present, err := e.pm.Endpoints()
	for _, p := range present {
		if slices.ContainsFunc(e.ours, func(o mptcp.Endpoint) bool { return o.Addr == p.Addr }) {
			err = errors.Join(err, e.pm.DelEndpoint(p))
		}
	}
	if err = errors.Join(err, e.pm.SetLimits(e.before)); err != nil {
		e.log.Warn("mptcp endpoints not cleaned up", "err", err)
	}
}
