package main

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sort"
	"time"

	"tandem/cpe/flows"
	"tandem/cpe/uplink"
	"tandem/cpe/upstream"
	"tandem/shared/mptcp"
)

// A connection to the concentrator that has lost its last subflow hangs: the
// kernel ends it after a minute (60 s in Linux 6.18), and until then its LAN
// host hears nothing. So it is when all lines were gone at a time, and when the
// concentrator was started anew: a reset ends a subflow, not the connection (RFC
// 8684 section 3.6). Where a line works and the connection still gets none, it is
// ended, so that the LAN host can connect anew.
//
// One whose other end is gone, but which has a subflow that was not told of it
// while no line worked, looks like one that waits for an answer. So all are
// asked for a sign of life when a line has come back, or a concentrator.
const (
	orphanTick = 2 * time.Second
	// orphanTime is longer than a line that comes back takes to be used again.
	orphanTime = 6 * time.Second
	// troubled is for how long after a change of the lines all flows are looked
	// at. Otherwise it is some at a time, which costs a busy router little.
	troubled = 30 * time.Second
	atATime  = 128
	// signTime is within which a flow that stands still is asked for a sign of
	// life, once or twice.
	signTime = time.Second
)

var errOrphaned = errors.New("the connection to the concentrator has lost its last line, and got none of those that work")

// endOrphans looks after flows until ctx ends.
func (p *proxy) endOrphans(ctx context.Context) error {
	var seen *uplink.WAN // which state of the lines was seen last
	var changed time.Time
	since := map[*flows.Flow]time.Time{}
	asked := false  // for a sign of life, on the tick before
	answers := true // all concentrators, on the tick before
	var last uint64 // flow that was looked at
	var kept keeper
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.engine.Started():
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(orphanTick):
		}
		now := time.Now()
		all := p.flows.List()
		kept.keep(all)
		wans := p.lines.WANs()
		up, back := false, false
		for _, w := range wans {
			up = up || w.Up
			back = back || w.Up && now.Sub(w.Since) < orphanTick+orphanTick/2
		}
		usable := p.settings.Load().allUsable()
		back, answers = back || usable && !answers, usable
		if len(wans) > 0 && &wans[0] != seen {
			seen, changed = &wans[0], now
		}
		if !up {
			clear(since) // all wait
			continue
		}
		next := map[*flows.Flow]time.Time{}
		if back || asked {
			idle := upstream.KeepAlive.Idle
			if back {
				idle = signTime
			}
			for _, f := range all {
				keepAlive(f, idle)
			}
			asked = back
		}
		from := sort.Search(len(all), func(i int) bool { return all[i].ID > last })
		for i, f := range all {
			first, known := since[f]
			turn := i >= from && i < from+atATime
			if turn {
				last = f.ID
			}
			if !known && !turn && now.Sub(changed) > troubled || !p.orphaned(f) {
				continue
			}
			if !known {
				first = now
			}
			if now.Sub(first) >= orphanTime {
				p.log.Debug("flow ended", "src", f.Host, "dst", f.Destination, "reason", errOrphaned)
				f.Abort(errOrphaned)
				continue
			}
			next[f] = first
		}
		if since = next; from+atATime >= len(all) {
			last = 0 // from the beginning again
		}
	}
}

// orphaned tells whether a flow's connection has no subflow that can carry
// anything: on a line that is up, and past its handshake. One whose peer has
// ended its direction gets no other any more, and one that the kernel makes from
// an address that has gone is not given up for a minute or two.
//
// It has the concentrator told of those that the connection has left.
func (p *proxy) orphaned(f *flows.Flow) bool {
	if f.Concentrator == "" {
		return false
	}
	subflows, err := f.Subflows()
	if errors.Is(err, mptcp.ErrNotMPTCP) {
		return p.leftBehind(f)
	}
	if err != nil {
		return false // ended
	}
	alone := true
	for _, s := range subflows {
		switch s.State {
		case mptcp.StateEstablished:
			alone = alone && !p.onWorkingLine(s.Local.Addr())
		case mptcp.StateFinWait1, mptcp.StateFinWait2:
			p.refusals.Left(s.Local)
		}
	}
	if alone { // or all of it is here, and its LAN host reads slowly
		there, err := mptcp.AllThere(f.Upstream())
		alone = !there && err == nil
	}
	return alone
}

// leftBehind tells whether a flow without MPTCP, which cannot leave its line, is
// on one that does not work.
func (p *proxy) leftBehind(f *flows.Flow) bool {
	local, err := mptcp.LocalAddr(f.Upstream())
	return err == nil && !p.onWorkingLine(local.Addr())
}

// onWorkingLine tells whether a line that works has an address.
func (p *proxy) onWorkingLine(a netip.Addr) bool {
	return slices.ContainsFunc(p.lines.WANs(), func(w uplink.WAN) bool {
		return (w.Up || w.Spent) && slices.Contains(w.Addrs, a)
	})
}
