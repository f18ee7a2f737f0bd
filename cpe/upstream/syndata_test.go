package upstream

import (
	"testing"
	"time"
)

func TestSynDataBackOff(t *testing.T) {
	now := time.Unix(1e9, 0)
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
			if got := s.learn("dsl", st.acked, st.mptcp); got != st.changed {
				t.Errorf("step %d: changed %v, want %v", i, got, st.changed)
			}
		} else if got := s.allowed("dsl"); got != st.allows {
			t.Errorf("step %d: allowed %v, want %v", i, got, st.allows)
		}
		if !s.allowed("lte") {
			t.Errorf("step %d: the other line is affected", i)
		}
	}
}
