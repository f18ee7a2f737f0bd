package steer

import (
	"testing"
	"time"

	"tandem/cpe/uplink"
	"tandem/shared/mptcp"
)

// An upload fills the line only if more waits to be sent: long round trips alone
// may be a busy processor's.
func TestUploadWaits(t *testing.T) {
	for _, tt := range []struct {
		name   string
		unsent uint64
		buffer bool // is full
		full   bool
	}{
		{"nothing more to send", 0, false, false},
		{"a moment's pause of the sender", 30_000, false, false},
		{"the line is what it waits for", 100_000, false, true},
		{"the line is what it waits for, by a small buffer", 30_000, true, true},
	} {
		var l load
		now, c := time.Unix(1e9, 0), uplink.Counters{}
		const rate = 5e6
		s := mptcp.Subflow{RTT: 60 * time.Millisecond, MinRTT: 30 * time.Millisecond}
		for range 20 {
			now = now.Add(tick)
			c.Up += uint64(rate / 8 * tick.Seconds())
			l.count(now, uplink.WAN{Name: "dsl"}, c)
			l.sample(s, uint64(rate/8*tick.Seconds()), 0, tt.unsent, tt.buffer)
			l.judge(now, tick)
		}
		if l.full() != tt.full {
			t.Errorf("%s: full %v", tt.name, l.full())
		}
	}
}
