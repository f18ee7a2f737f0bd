package labnet

import (
	"math/rand/v2"
	"time"
)

// schedule computes when a packet leaves a link, at the moment it enters:
// a queue in front of a serialiser, then the propagation delay. It knows no
// packets and no clock, only sizes and times (ns since any fixed point).
type schedule struct {
	shape  Shape
	limit  int64 // queue, bytes
	loss   *rand.Rand
	jitter *rand.Rand

	depart int64 // when the serialiser falls idle
	due    int64 // when the last packet is delivered
}

type fate int

const (
	deliver fate = iota
	lost         // took its time on the link, never arrives
	full         // queue overflow
)

// configure changes the shape. The loss sequence starts again with a changed
// seed or loss, and at the first call.
func (s *schedule) configure(shape Shape, roundTrip time.Duration, seed, stream uint64, restart bool) {
	if restart || s.loss == nil {
		s.loss = rand.New(rand.NewPCG(seed, 2*stream))
		s.jitter = rand.New(rand.NewPCG(seed, 2*stream+1))
	}
	s.shape = shape
	s.limit = shape.queueLimit(roundTrip)
}

// enter decides the fate of a packet of size bytes and returns the times it
// leaves the queue and reaches the other end. Each call draws one number of
// the loss sequence, so that the nth packet's loss depends on n alone.
func (s *schedule) enter(now int64, size int) (depart, due int64, f fate) {
	isLost := s.loss.Float64() < s.shape.Loss
	waiting := s.backlog(now)
	if waiting > 0 && waiting+int64(size) > s.limit {
		return 0, 0, full
	}
	depart, due = s.place(now, size)
	if isLost {
		return depart, due, lost
	}
	return depart, due, deliver
}

// place gives a packet the next free time on the link.
func (s *schedule) place(now int64, size int) (depart, due int64) {
	s.depart = max(now, s.depart) + s.serialise(size)
	due = s.depart + int64(s.shape.Delay)
	if j := int64(s.shape.Jitter); j > 0 {
		due += s.jitter.Int64N(2*j+1) - j
	}
	s.due = max(s.due, s.depart, due)
	return s.depart, s.due
}

// rewind makes the link idle from now on, before packets that still wait are
// placed again under a new shape. last is the latest delivery that stands.
func (s *schedule) rewind(now, last int64) {
	s.depart, s.due = now, last
}

// backlog returns the bytes waiting at now.
func (s *schedule) backlog(now int64) int64 {
	if s.shape.Rate == 0 || s.depart <= now {
		return 0
	}
	return int64(float64(s.depart-now) * float64(s.shape.Rate) / 8e9)
}

func (s *schedule) serialise(size int) int64 {
	if s.shape.Rate == 0 {
		return 0
	}
	return int64(size) * 8e9 / s.shape.Rate
}
