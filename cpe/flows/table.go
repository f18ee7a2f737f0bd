// Package flows lists the connections that are carried at present, for status,
// for the choice of lines and for the watch over their health.
package flows

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"tandem/cpe/config"
	"tandem/shared/mptcp"
	"tandem/shared/nocmp"
	"tandem/shared/order"
)

// Direct is the mode of flows that no concentrator carries.
const Direct = "direct"

// Flow is one connection of a LAN host while it is carried. Its fields do not
// change.
type Flow struct {
	_            nocmp.Field
	ID           uint64
	Host         netip.AddrPort // of the LAN
	Destination  netip.AddrPort
	Started      time.Time
	Mode         string      // how lines are chosen for it, or Direct
	Steering     config.Mode // the same, where it is not Direct
	Concentrator string      // empty when direct
	Line         string      // of the first subflow; empty when direct
	Inbound      bool        // the destination, outside, has opened it
	OnPath       bool        // no concentrator was asked: one may have taken it over on its way

	relay atomic.Pointer[Relay] // nil before Attach
}

// Relay is what carries the flow.
type Relay interface {
	Bytes() (up, down int64)
	Server() syscall.Conn // works until the flow has ended
	Abort(cause error)
}

// Attach tells what carries the flow.
func (f *Flow) Attach(r Relay) { f.relay.Store(&r) }

// Bytes returns what the flow has carried so far.
func (f *Flow) Bytes() (up, down int64) {
	if r := f.relay.Load(); r != nil {
		return (*r).Bytes()
	}
	return 0, 0
}

// Abort ends the flow with resets on both sides.
func (f *Flow) Abort(cause error) {
	if r := f.relay.Load(); r != nil {
		(*r).Abort(cause)
	}
}

// Upstream is the connection to the concentrator, or to the server when
// direct; nil before Attach. After the flow has ended it gives errors.
func (f *Flow) Upstream() syscall.Conn {
	if r := f.relay.Load(); r != nil {
		return (*r).Server()
	}
	return nil
}

// Subflows returns the state of the flow's connection to the concentrator, or
// an error for one that is plain TCP or has ended.
func (f *Flow) Subflows() ([]mptcp.Subflow, error) {
	c := f.Upstream()
	if c == nil {
		return nil, net.ErrClosed
	}
	return mptcp.Subflows(c)
}

// Table holds the flows. The zero value is ready.
type Table struct {
	mu    sync.Mutex
	last  uint64
	flows map[uint64]*Flow
	added chan struct{} // nil: nobody asked
}

// Added receives after flows were added.
func (t *Table) Added() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.added == nil {
		t.added = make(chan struct{}, 1)
	}
	return t.added
}

// Add numbers a flow and lists it until Remove.
func (t *Table) Add(f *Flow) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.flows == nil {
		t.flows = make(map[uint64]*Flow)
	}
	t.last++
	f.ID = t.last
	t.flows[f.ID] = f
	select {
	case t.added <- struct{}{}:
	default:
	}
}

// Remove ends the listing of a flow.
func (t *Table) Remove(f *Flow) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.flows, f.ID)
}

// List returns the flows, the oldest first.
func (t *Table) List() []*Flow {
	t.mu.Lock()
	all := make([]*Flow, 0, len(t.flows))
	for _, f := range t.flows {
		all = append(all, f)
	}
	t.mu.Unlock()
	order.Slice(all, func(i, j int) bool { return all[i].ID < all[j].ID })
	return all
}
