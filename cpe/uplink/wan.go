// Package uplink knows the access lines: which are up, their addresses, which
// comes first. It keeps the kernel's MPTCP endpoints equal to them, so that
// every connection gets a subflow over each line.
package uplink

import (
	"net/netip"
	"slices"
	"time"

	"tandem/cpe/config"
)

// WAN is what is known of one access line at one moment.
type WAN struct {
	Name      string
	Device    string
	Interface string // OpenWrt's name, empty where the file names the device
	Index     int    // of the device, 0 while it does not exist
	Role      config.Role
	Metered   bool
	// RateDown and RateUp are what it can carry, in bit/s; 0: not told.
	RateDown, RateUp float64
	pointToPoint     bool      // the device has nobody but its peer at the other end
	NoCarrier        bool      // the device is there and switched on, but not connected
	Present          bool      // device, carrier and address are there
	Up               bool      // Present, and packets come back: State is not Down
	Spent            bool      // would be Up, but its quota is used up and it is off
	Since            time.Time // when it came up, the last time
	State            State     // how well it serves
	Reason           string    // why it is not Up, in words
	// Delay is the round trip to the concentrator, lately; 0: unknown.
	Delay time.Duration
	// Fastest is set on the line with the shortest delay.
	Fastest bool
	Addrs   []netip.Addr // global ones, IPv4 first; the first of a family is used
}

// Source returns the address from which the line reaches dst.
func (w WAN) Source(dst netip.Addr) (netip.Addr, bool) {
	for _, a := range w.Addrs {
		if a.Is4() == dst.Is4() {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// restrain makes a line whose quota is used up what the configuration wants.
func (w *WAN) restrain(action config.QuotaAction, resets string) {
	if resets == "" {
		resets = "its quota starts anew"
	}
	switch {
	case action == config.QuotaStandby:
		w.Role = config.Standby
		if w.Up {
			w.Reason = "its quota is used up: on standby until " + resets
		}
	case w.Up: // off: nor is it asked whether it works
		w.Spent = true
		w.Up, w.Present, w.State = false, false, Down
		w.Reason = "its quota is used up: off until " + resets
	}
}

// SameWays tells whether nothing has changed that the choice of lines depends on.
func SameWays(a, b []WAN) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		o, n := &a[i], &b[i]
		if o.Name != n.Name || o.Up != n.Up || o.Role != n.Role || o.Metered != n.Metered || !slices.Equal(o.Addrs, n.Addrs) {
			return false
		}
	}
	return true
}

// First returns the line for the first subflow towards dst: of those that are
// up and have an address of that family, the one with the best role, and among
// equals the one named first. In mode LowestDelay it is the fastest that is not
// on standby. ok is false when there is none.
func First(wans []WAN, dst netip.Addr, mode config.Mode) (best WAN, ok bool) {
	for _, w := range wans {
		if _, has := w.Source(dst); !has || !w.Up {
			continue
		}
		if mode == config.LowestDelay && w.Fastest && w.Role != config.Standby {
			return w, true
		}
		if !ok || w.Role < best.Role {
			best, ok = w, true
		}
	}
	return best, ok
}

// Next returns the line to try when the one named before does not answer: the
// best of the others.
func Next(wans []WAN, dst netip.Addr, mode config.Mode, before string) (WAN, bool) {
	others := make([]WAN, 0, len(wans))
	for _, w := range wans {
		if w.Name != before {
			others = append(others, w)
		}
	}
	return First(others, dst, mode)
}
