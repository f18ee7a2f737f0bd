package labnet

import (
	"slices"
	"testing"
	"time"
)

const ms = int64(time.Millisecond)

func newSchedule(s Shape, roundTrip time.Duration) *schedule {
	var c schedule
	c.configure(s, roundTrip, 1, 0, true)
	return &c
}

func TestScheduleSpacesPacketsByTheirSize(t *testing.T) {
	s := newSchedule(Shape{Rate: 12e6, Delay: 15 * time.Millisecond, QueueBytes: 1e6}, 0)
	for i := int64(1); i <= 5; i++ { // 1500 B at 12 Mbit/s: 1 ms
		depart, due, f := s.enter(0, 1500)
		if depart != i*ms || due != i*ms+15*ms || f != deliver {
			t.Errorf("packet %d: got depart %d due %d fate %d", i, depart, due, f)
		}
	}
	if got := s.backlog(2 * ms); got != 3*1500 {
		t.Errorf("backlog after 2 ms: got %d, want 4500", got)
	}
	if _, due, _ := s.enter(100*ms, 1500); due != 116*ms {
		t.Errorf("idle link: got due %d, want 116 ms", due)
	}
}

func TestScheduleDropsWhatTheQueueCannotHold(t *testing.T) {
	tests := []struct {
		name  string
		shape Shape
		want  int // packets of 1500 B taken at once
	}{
		{"bytes", Shape{Rate: 12e6, QueueBytes: 15000}, 10},
		{"time", Shape{Rate: 12e6, QueueTime: 20 * time.Millisecond}, 20},
		{"one bandwidth-delay product", Shape{Rate: 12e6}, 60},
		{"at least 20", Shape{Rate: 64e3}, 20},
		{"smaller than a packet", Shape{Rate: 12e6, QueueBytes: 100}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSchedule(tt.shape, 60*time.Millisecond)
			got := 0
			for range 100 {
				if _, _, f := s.enter(0, 1500); f == deliver {
					got++
				}
			}
			if got != tt.want {
				t.Errorf("got %d packets through, want %d", got, tt.want)
			}
		})
	}
}

func TestScheduleJitterKeepsOrder(t *testing.T) {
	s := newSchedule(Shape{Delay: 30 * time.Millisecond, Jitter: 3 * time.Millisecond}, 0)
	var last, least, most int64 = 0, 1 << 62, 0
	for now := int64(0); now < 10_000*ms; now += 10 * ms {
		_, due, _ := s.enter(now, 100)
		if due < last {
			t.Fatalf("packet at %d overtakes", now)
		}
		last, least, most = due, min(least, due-now), max(most, due-now)
	}
	if least < 27*ms || least > 28*ms || most > 33*ms || most < 32*ms {
		t.Errorf("delay between %d and %d ns, want the range 27 to 33 ms", least, most)
	}
}

func TestScheduleLossFollowsFromTheSeed(t *testing.T) {
	sequence := func(seed uint64) (lostAt []int) {
		var s schedule
		s.configure(Shape{Loss: 0.02}, 0, seed, 0, true)
		for i := range 10_000 {
			if _, _, f := s.enter(int64(i), 100); f == lost {
				lostAt = append(lostAt, i)
			}
		}
		return lostAt
	}
	seven := sequence(7)
	if n := len(seven); n < 150 || n > 250 {
		t.Errorf("lost %d of 10000 at 2 %%", n)
	}
	if !slices.Equal(seven, sequence(7)) {
		t.Error("the same seed lost other packets")
	}
	if slices.Equal(seven, sequence(8)) {
		t.Error("another seed lost the same packets")
	}
}

func TestScheduleLossDoesNotDependOnTheQueue(t *testing.T) {
	a := newSchedule(Shape{Loss: 0.5}, 0)
	b := newSchedule(Shape{Loss: 0.5, Rate: minRate, QueueBytes: 1}, 0) // nearly all dropped
	for i := range 1000 {
		_, _, fa := a.enter(int64(i), 100)
		_, _, fb := b.enter(int64(i), 100)
		if fb == lost && fa != lost {
			t.Fatalf("packet %d lost only behind a full queue", i)
		}
	}
}

func TestShapeValidate(t *testing.T) {
	good := []Shape{{}, {Rate: 20e6, Delay: time.Second, Jitter: time.Millisecond, Loss: 1, QueueBytes: 1}}
	bad := []Shape{
		{Rate: -1}, {Rate: 1}, {Rate: 2 * maxRate}, {Delay: -1}, {Delay: time.Minute}, {Jitter: -1},
		{Loss: -0.1}, {Loss: 1.1}, {QueueBytes: -1}, {QueueTime: -1}, {QueueBytes: 1, QueueTime: 1},
	}
	for _, s := range good {
		if err := s.validate(); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
	for _, s := range bad {
		if s.validate() == nil {
			t.Errorf("%+v passed", s)
		}
	}
}
