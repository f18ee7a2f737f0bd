package steer

import (
	"net/netip"
	"slices"

	"tandem/cpe/config"
	"tandem/cpe/uplink"
	"tandem/shared/order"
)

// use is what a flow does with a line.
type use uint8

const (
	none   use = iota // no subflow
	backup            // a subflow that carries only when no other can
	carry
)

// inOrder returns the lines that lead to dst, by index, the preferred first.
func inOrder(wans []uplink.WAN, dst netip.Addr) []int {
	var usable []int
	for i, w := range wans {
		if _, leads := w.Source(dst); leads && w.Up {
			usable = append(usable, i)
		}
	}
	order.Slice(usable, func(i, j int) bool { return wans[usable[i]].Role < wans[usable[j]].Role })
	return usable
}

// plan says what a flow of a mode to dst does with each of wans. began is the
// line of its first subflow, more how many lines beyond the preferred one it
// needs, and may have, in mode Overflow.
func plan(mode config.Mode, wans []uplink.WAN, dst netip.Addr, began string, more int) []use {
	uses := make([]use, len(wans))
	order := inOrder(wans, dst)
	if len(order) == 0 {
		return uses
	}
	first := order[0]
	switch mode {
	case config.Bond:
		for _, i := range order {
			uses[i] = carry
			if wans[i].Role == config.Standby {
				uses[i] = backup
			}
		}
	case config.Overflow:
		for _, i := range order[1:] {
			if more > 0 && wans[i].Role != config.Standby {
				uses[i] = carry
				more--
			}
		}
	case config.LowestDelay:
		if i := slices.IndexFunc(order, func(i int) bool { return wans[i].Name == began }); i >= 0 {
			first = order[i]
		} else if w, ok := uplink.First(wans, dst, mode); ok {
			first = slices.IndexFunc(wans, func(o uplink.WAN) bool { return o.Name == w.Name })
		}
		for _, i := range order {
			if !wans[i].Metered && wans[i].Role != config.Standby {
				uses[i] = backup
			}
		}
	}
	uses[first] = carry
	return uses
}
