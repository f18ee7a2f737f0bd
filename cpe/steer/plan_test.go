package steer

import (
	"net/netip"
	"slices"
	"testing"

	"tandem/cpe/config"
	"tandem/cpe/uplink"
)

var to = netip.MustParseAddr("203.0.113.1")

// lineOf is a line as the tables below have it: name, role and what else.
func lineOf(name string, role config.Role, more ...string) uplink.WAN {
	has := func(word string) bool { return slices.Contains(more, word) }
	w := uplink.WAN{Name: name, Role: role, Up: !has("down"), Metered: has("metered"), Fastest: has("fastest")}
	if !has("no address") {
		w.Addrs = []netip.Addr{netip.MustParseAddr("198.51.100.2")}
	}
	return w
}

func TestPlan(t *testing.T) {
	dsl, lte := lineOf("dsl", config.Primary), lineOf("lte", config.Secondary, "metered")
	spare, fiber := lineOf("spare", config.Standby), lineOf("fiber", config.Secondary)
	down := func(w uplink.WAN) uplink.WAN { w.Up = false; return w }
	fastest := func(w uplink.WAN) uplink.WAN { w.Fastest = true; return w }
	type wans = []uplink.WAN
	for _, tt := range []struct {
		name  string
		mode  config.Mode
		wans  wans
		began string
		more  int
		want  []use
	}{
		{"bond", config.Bond, wans{dsl, lte, spare}, "dsl", 0, []use{carry, carry, backup}},
		{"bond, all but the standby down", config.Bond, wans{down(dsl), down(lte), spare}, "dsl", 0, []use{none, none, carry}},
		{"failover", config.Failover, wans{lte, dsl, spare}, "dsl", 3, []use{none, carry, none}},
		{"failover, first down", config.Failover, wans{down(dsl), lte, spare}, "dsl", 0, []use{none, carry, none}},
		{"failover, two down", config.Failover, wans{down(dsl), down(lte), spare}, "dsl", 0, []use{none, none, carry}},
		{"overflow, room", config.Overflow, wans{dsl, lte, spare}, "dsl", 0, []use{carry, none, none}},
		{"overflow, full", config.Overflow, wans{lte, dsl, spare}, "dsl", 1, []use{carry, carry, none}},
		{"overflow, two lines full", config.Overflow, wans{dsl, fiber, lte, spare}, "dsl", 2, []use{carry, carry, carry, none}},
		{"overflow never takes the standby for that", config.Overflow, wans{dsl, spare}, "dsl", 1, []use{carry, none}},
		{"overflow, first down and the next full", config.Overflow, wans{down(dsl), fiber, lte}, "dsl", 1, []use{none, carry, carry}},
		{"lowest delay stays where it began", config.LowestDelay, wans{fastest(dsl), fiber}, "fiber", 0, []use{backup, carry}},
		{"lowest delay, its line is down", config.LowestDelay, wans{fastest(dsl), down(fiber)}, "fiber", 0, []use{carry, none}},
		{"lowest delay, nothing on metered lines and standbys", config.LowestDelay, wans{dsl, lte, spare}, "dsl", 0, []use{carry, none, none}},
		{"no line", config.Bond, wans{down(dsl)}, "dsl", 0, []use{none}},
		{"no address there", config.Bond, wans{dsl, lineOf("lte", config.Secondary, "no address")}, "dsl", 0, []use{carry, none}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := plan(tt.mode, tt.wans, to, tt.began, tt.more); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestWords(t *testing.T) {
	dsl, lte := lineOf("dsl", config.Primary), lineOf("lte", config.Secondary)
	spare := lineOf("spare", config.Standby)
	for _, tt := range []struct {
		mode config.Mode
		more int
		want string
	}{
		{config.Bond, 0, "in use: every flow uses all lines"},
		{config.Failover, 0, "standby: used when dsl is down"},
		{config.Overflow, 0, "standby: used when dsl is full"},
		{config.Overflow, 1, "in use: dsl is full"},
		{config.LowestDelay, 0, "standby: used when the others are down; its delay is not known yet"},
	} {
		got := Words(tt.mode, []uplink.WAN{spare, lte, dsl}, tt.more)
		if got[1] != tt.want || got[0] != "standby: used when dsl and lte are down" {
			t.Errorf("%v, %d: %q", tt.mode, tt.more, got)
		}
	}
}
