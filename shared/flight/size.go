// Package flight keeps what is under way on a connection with several
// subflows as small as its rate and delay allow.
//
// Linux lets each subflow's send buffer grow to net.ipv4.tcp_wmem's bound of
// 4 MB and more, and hands data to a subflow long before it can leave. When
// another subflow dies, its data is sent again on the ones that are left, but
// behind all that they hold already: half a second at 50 Mbit/s and 3 MB (Linux
// 6.18.44). A buffer of what the lines need makes a lost line a matter of
// tenths of a second.
//
// It also pushes what stands still in the kernel with lines to go over.
package flight

import (
	"time"

	"tandem/shared/mptcp"
)

const (
	smallest = 256 << 10
	largest  = 32 << 20

	// slack is what the senders' pauses may last: timers, the other end's
	// sleep between reads, another process on the processor.
	slack = 40 * time.Millisecond

	// nearby are peers whose delay is that of a cable: there is no queue worth
	// speaking of, and the kernel's own choice is faster.
	nearby = 3 * time.Millisecond
)

// Size returns the send buffer for a connection with these subflows, 0 to
// leave it alone: two round trips of the slowest line at the rate of all
// together. One round trip is in flight; the other is what a sender needs to
// find its pace, and to go on while what overtook a lost packet waits.
//
// Where packets are lost, what has overtaken one waits until it has come again,
// and is still in the buffer: up to four round trips more. loss is the share of
// bytes that were sent again lately.
//
// overhead is what the kernel books for each byte: little over 1 where data is
// written in large pieces, twice that and more where it comes in packets.
func Size(subflows []mptcp.Subflow, overhead, loss float64) int {
	var rate float64 // bytes a second
	var delay time.Duration
	live := 0
	for _, s := range subflows {
		if s.State != mptcp.StateEstablished || s.MinRTT == 0 {
			continue
		}
		live++
		rate += float64(s.DeliveryRate)
		delay = max(delay, s.MinRTT)
	}
	if live < 2 || delay < nearby {
		return 0
	}
	trips := 2 + min(4, loss*200) // all of them at 2 %
	n := rate * (trips*delay.Seconds() + slack.Seconds()) * overhead
	return int(min(max(n, smallest), largest))
}
