package main

import (
	"net/netip"
	"testing"
	"time"
)

func TestSpared(t *testing.T) {
	var s spared
	now := time.Unix(1e9, 0)
	a, b := netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("2001:db8::1")
	if s.has(a, now) {
		t.Error("spared before it was named")
	}
	s.add(a, now, 30*time.Second)
	if !s.has(a, now.Add(29*time.Second)) || s.has(b, now) {
		t.Error("not spared for the time said, or another with it")
	}
	if s.has(a, now.Add(30*time.Second)) {
		t.Error("spared for longer than said")
	}
	for i := range 3 * sparedMost {
		s.add(netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)}), now, time.Minute)
	}
	if n := len(s.until); n > sparedMost {
		t.Errorf("keeps %d", n)
	}
	s.add(b, now.Add(time.Hour), time.Second)
	if n := len(s.until); n != 1 {
		t.Errorf("keeps %d, of which 1 is in force", n)
	}
}
