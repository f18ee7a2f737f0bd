package upstream

import (
	"testing"
	"time"

	"tandem/cpe/warm"
)

func TestSynDataBackOff(t *testing.T) {
	now := time.Unix(1e9, 0)
	dsl, lte := warm.Route{Line: "dsl"}, warm.Route{Line: "lte"}
	s := newSynData()
	s.now = func() time.Time { return now }
	type step struct {
		forward         time.Duration
		learn           bool // else: ask
		acked, mptcp    bool
		changed, allows bool
	}
	for i, st := range []step{
		{allows: true},
		{learn: true, acked: true, mptcp: true},
		{allows: true},
		{learn: true, acked: false, mptcp: false, changed: true},
		{allows: false},
		{learn: true, acked: false}, // begun before the first miss was known
		{forward: 59 * time.Second, allows: false},
		{forward: 2 * time.Second, allows: true}, // one finds out
		{allows: false},                          // the others wait for it
		{learn: true, acked: true, mptcp: false}, // SYN+ACK lost: taken, yet MPTCP is gone
		{forward: 61 * time.Second, allows: false},
		{forward: 60 * time.Second, allows: true},
		{learn: true, acked: true, mptcp: true, changed: true},
		{allows: true},
		{allows: true},
	} {
		now = now.Add(st.forward)
		if st.learn {
			if got := s.learn(dsl, st.acked, st.mptcp); got != st.changed {
				t.Errorf("step %d: changed %v, want %v", i, got, st.changed)
			}
		} else if got := s.allowed(dsl); got != st.allows {
			t.Errorf("step %d: allowed %v, want %v", i, got, st.allows)
		}
		if !s.allowed(lte) {
			t.Errorf("step %d: the other line is affected", i)
		}
	}
}

// TestSynDataProbe: in auto, a line is used for SYN data when a probe went
// through, and given up for a while when something goes wrong.
func TestSynDataProbe(t *testing.T) {
	now := time.Unix(1e9, 0)
	s := newSynData()
	s.now = func() time.Time { return now }
	dsl := warm.Route{Line: "dsl"}
	want := func(what string, proven, probe bool) {
		t.Helper()
		if got := s.proven(dsl); got != proven {
			t.Errorf("%s: proven %v", what, got)
		}
		if got := s.wantsProbe(dsl); got != probe {
			t.Errorf("%s: wants a probe %v", what, got)
		}
	}
	want("new", false, true)
	want("while the probe runs", false, false)
	s.learn(dsl, true, true)
	want("taken", true, false)
	s.learn(dsl, false, false)
	want("missed", false, false)
	now = now.Add(61 * time.Second)
	want("after the back-off", false, true)
	s.learn(dsl, true, true)
	want("taken again", true, false)
	if !s.revoke() {
		t.Error("revoke changed nothing")
	}
	want("revoked", false, false)
	now = now.Add(61 * time.Second)
	want("after that", false, true)
}
