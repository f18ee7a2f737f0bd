package main

import (
	"net/netip"
	"testing"
)

func TestPending(t *testing.T) {
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	six1, six2 := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2") // one household
	var p pendingConns
	for i, st := range []struct {
		leave  bool
		source netip.Addr
		want   bool
	}{
		{source: a, want: true},
		{source: a, want: true},
		{source: a, want: false}, // 2 a source
		{source: b, want: true},
		{source: six1, want: true},
		{source: six2, want: true},
		{source: b, want: false}, // 5 in all
		{leave: true, source: six1},
		{source: six2, want: true},
		{leave: true, source: a},
		{source: six1, want: false}, // 2 a household
		{source: b, want: true},
	} {
		if st.leave {
			p.leave(st.source)
		} else if got := p.enter(st.source, 5, 2); got != st.want {
			t.Errorf("step %d: entered %v, want %v", i, got, st.want)
		}
	}
	for _, s := range []netip.Addr{a, b, b, six1, six2} {
		p.leave(s)
	}
	if p.count() != 0 || len(p.source) != 0 {
		t.Errorf("%d left, %v", p.count(), p.source)
	}
}
