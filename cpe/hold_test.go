package main

import (
	"net/netip"
	"testing"
)

func TestHeldFlows(t *testing.T) {
	var h heldFlows
	dst := netip.MustParseAddrPort("203.0.113.10:80")
	src := func(port int) netip.AddrPort {
		return netip.AddrPortFrom(netip.MustParseAddr("192.0.2.10"), uint16(port))
	}
	step := func(what string, got, want any) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	step("its SYN", h.begin(src(1), dst), begun)
	step("repeated", h.begin(src(1), dst), waiting)
	step("taken before there is an answer", h.take(src(1), dst), (*opened)(nil))
	o := &opened{}
	h.ready(src(1), dst, o)
	step("standing", h.standing(), 1)
	step("repeated when it stands ready", h.begin(src(1), dst), standsReady)
	step("taken", h.take(src(1), dst), o)
	step("taken twice", h.take(src(1), dst), (*opened)(nil))
	step("never held", h.take(src(2), dst), (*opened)(nil))
	for port := range heldMost {
		step("one of many", h.begin(src(1000+port), dst), begun)
	}
	step("one too many", h.begin(src(1), dst), turnedAway)
	h.forget(src(1000), dst)
	step("after one was refused", h.begin(src(1000), dst), begun)
	step("standing at last", h.standing(), 0)
}
