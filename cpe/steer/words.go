package steer

import (
	"fmt"
	"strings"

	"tandem/cpe/config"
	"tandem/cpe/uplink"
)

// Words say of each line what flows of a mode do with it, and why; more is
// that of [Steerer.More].
func Words(mode config.Mode, wans []uplink.WAN, more int) []string {
	words := make([]string, len(wans))
	var before []string // the names of lines that are preferred to this one
	for _, i := range preferred(wans) {
		w := wans[i]
		names := strings.Join(before, " and ")
		switch {
		case !w.Up:
			words[i] = "not used: it is down"
			continue
		case len(before) == 0 && mode != config.LowestDelay:
			words[i] = "in use: preferred"
			if mode == config.Bond {
				words[i] = "in use: every flow uses all lines"
			}
		case w.Role == config.Standby:
			words[i] = fmt.Sprintf("standby: used when %s is down", names)
			if len(before) > 1 {
				words[i] = fmt.Sprintf("standby: used when %s are down", names)
			}
		case mode == config.Bond:
			words[i] = "in use: every flow uses all lines"
		case mode == config.Failover:
			words[i] = fmt.Sprintf("standby: used when %s is down", names)
		case mode == config.Overflow && len(before) <= more:
			words[i] = fmt.Sprintf("in use: %s is full", names)
		case mode == config.Overflow:
			words[i] = fmt.Sprintf("standby: used when %s is full", names)
		case w.Fastest:
			words[i] = "in use: new flows begin here, it is the fastest"
		case w.Delay == 0:
			words[i] = "standby: used when the others are down; its delay is not known yet"
		default:
			words[i] = "standby: used when the faster ones are down"
		}
		before = append(before, w.Name)
	}
	return words
}

// preferred returns all lines, by index, the preferred first.
func preferred(wans []uplink.WAN) []int {
	var order []int
	for _, role := range []config.Role{config.Primary, config.Secondary, config.Standby} {
		for i, w := range wans {
			if w.Role == role {
				order = append(order, i)
			}
		}
	}
	return order
}
