package labnet

import (
	"errors"
	"fmt"
	"time"
)

// Shape is what one direction of a link does to packets.
type Shape struct {
	// Rate in bit/s of IP packets. 0: unlimited.
	Rate int64 `json:"rate"`
	// Delay is the propagation delay one way; serialisation at Rate and time
	// in the queue come on top.
	Delay time.Duration `json:"delay_ns"`
	// Jitter spreads Delay evenly over ±Jitter per packet; order is kept, so
	// a busy link leans to the late side.
	Jitter time.Duration `json:"jitter_ns"`
	// Loss is the share of packets lost on the wire, 0 to 1. A lost packet
	// still takes its time on the link.
	Loss float64 `json:"loss"`
	// QueueBytes bounds the waiting packets; what does not fit is dropped
	// (drop-tail). 0: see QueueTime.
	QueueBytes int64 `json:"queue_bytes"`
	// QueueTime bounds the queue as time at Rate. If it and QueueBytes are 0,
	// the queue holds one bandwidth-delay product of this direction's rate
	// and the link's round trip, at least 20 full packets.
	QueueTime time.Duration `json:"queue_ns"`
}

// Strip says which parts of TCP the link takes away, as meddling operators do.
type Strip struct {
	// SYNData cuts the payload off SYNs (not off SYN+ACKs).
	SYNData bool `json:"syn_data"`
	// MPTCP overwrites MPTCP options (kind 30) with no-operation ones.
	MPTCP bool `json:"mptcp"`
}

// LinkConfig is everything that can be set on a link while it runs.
type LinkConfig struct {
	Down Shape `json:"down"` // towards the lan
	Up   Shape `json:"up"`   // towards net

	// Seed of the loss (and jitter) sequence: the same seed loses the same
	// packets, counted from the last change of Seed or Loss.
	Seed uint64 `json:"seed"`

	// Off takes the carrier from the near end (the cpe's). Packets under way
	// and packets sent by the far end are lost.
	Off bool `json:"off"`
	// Blackhole keeps the carrier but loses every packet, those under way too.
	Blackhole bool `json:"blackhole"`

	Strip Strip `json:"strip"`

	// Capture is a file (made anew) that gets every packet the link delivers,
	// after stripping and loss, in pcap format, link type RAW.
	// Empty: no capture.
	Capture string `json:"capture"`
}

// Symmetric returns a link of the given rates in bit/s with one delay in
// both directions.
func Symmetric(down, up int64, delay time.Duration) LinkConfig {
	return LinkConfig{Down: Shape{Rate: down, Delay: delay}, Up: Shape{Rate: up, Delay: delay}}
}

const (
	mtu         = 1500
	minRate     = 8_000 // bit/s: a full packet takes 1.5 s
	maxRate     = 100_000_000_000
	maxDelay    = 10 * time.Second
	minBDPQueue = 20 * mtu
)

// Validate returns an error that names the first value out of range.
func (c LinkConfig) Validate() error {
	for _, d := range []struct {
		name string
		Shape
	}{{"down", c.Down}, {"up", c.Up}} {
		if err := d.validate(); err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
	}
	return nil
}

func (s Shape) validate() error {
	switch {
	case s.Rate != 0 && (s.Rate < minRate || s.Rate > maxRate):
		return fmt.Errorf("rate %d bit/s: want 0 or %d to %d", s.Rate, minRate, int64(maxRate))
	case s.Delay < 0 || s.Delay > maxDelay:
		return fmt.Errorf("delay %v: want 0 to %v", s.Delay, maxDelay)
	case s.Jitter < 0 || s.Jitter > maxDelay:
		return fmt.Errorf("jitter %v: want 0 to %v", s.Jitter, maxDelay)
	case !(s.Loss >= 0 && s.Loss <= 1):
		return fmt.Errorf("loss %v: want 0 to 1", s.Loss)
	case s.QueueBytes < 0 || s.QueueTime < 0 || s.QueueTime > maxDelay:
		return errors.New("queue out of range")
	case s.QueueBytes > 0 && s.QueueTime > 0:
		return errors.New("queue both in bytes and time")
	}
	return nil
}

// queueLimit returns the queue in bytes of a direction of a link with the
// given round trip.
func (s Shape) queueLimit(roundTrip time.Duration) int64 {
	switch {
	case s.QueueBytes > 0:
		return s.QueueBytes
	case s.QueueTime > 0:
		return int64(s.QueueTime.Seconds() * float64(s.Rate) / 8)
	}
	return max(minBDPQueue, int64(roundTrip.Seconds()*float64(s.Rate)/8))
}
