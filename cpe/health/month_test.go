//go:build go1.25

package health

import (
	"context"
	"io"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"tandem/cpe/uplink"
	"tandem/shared/logline"
	"tandem/shared/mptcp"
)

// What a question puts on a line: TCP over IPv6, by Ethernet.
const (
	synBytes   = 40 + 40 + 14 // and its answer
	ackBytes   = 40 + 32 + 14
	resetBytes = 40 + 20 + 14
)

// street is two lines and concentrators that a test lets fail, under a clock that
// a test lets run.
type street struct {
	dsl, lte weather
	// away: no concentrator answers; refuses: they all refuse.
	away, refuses func(at time.Duration) bool
	flows         bool // the preferred line carries some, all the time

	begun    time.Time
	suspects chan string

	mu    sync.Mutex
	dead  map[string]string
	got   map[string]uplink.Counters
	spent map[string]int64
	asked map[string]int
	back  time.Duration // when the metered line was last said to work again
}

// weather is how a line is at a time.
type weather struct {
	noCarrier func(at time.Duration) bool
	swallows  func(at time.Duration) bool
	delay     time.Duration
	noise     time.Duration // apart from each other packets come in that nobody asked for
}

func never(time.Duration) bool  { return false }
func always(time.Duration) bool { return true }

// half is true in every other stretch of d.
func half(d time.Duration) func(time.Duration) bool {
	return func(at time.Duration) bool { return at/d%2 == 1 }
}

func (w weather) at(at time.Duration) (carrier, passes bool) {
	carrier = w.noCarrier == nil || !w.noCarrier(at)
	return carrier, carrier && (w.swallows == nil || !w.swallows(at))
}

func (s *street) of(line string) weather {
	if line == "dsl" {
		return s.dsl
	}
	return s.lte
}

func (s *street) WANs() (wans []uplink.WAN) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, name := range []string{"dsl", "lte"} {
		w := uplink.WAN{Name: name, Device: name, Index: i + 1, Metered: name == "lte", Addrs: []netip.Addr{netip.MustParseAddr("2001:db8::1")}}
		w.Present, _ = s.of(name).at(time.Since(s.begun))
		w.Up = w.Present && s.dead[name] == ""
		wans = append(wans, w)
	}
	return wans
}

func (s *street) Sample() []uplink.WAN { return s.WANs() }

func (s *street) Counters(line string) uplink.Counters {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, at := s.got[line], time.Since(s.begun)
	if line == "dsl" && s.flows {
		if _, passes := s.dsl.at(at); passes {
			c.DownPackets += uint64(at / (5 * time.Millisecond))
		}
	}
	if w := s.of(line); w.noise > 0 {
		c.DownPackets += uint64(at / w.noise)
	}
	return c
}

func (s *street) Suspects() <-chan string     { return s.suspects }
func (s *street) Delay(string, time.Duration) {}

func (s *street) Declare(line, dead string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead[line] = dead; line == "lte" && dead == "" {
		s.back = time.Since(s.begun)
	}
}

// book counts a packet of a question.
func (s *street) book(line string, bytes int64, in uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spent[line] += bytes
	c := s.got[line]
	c.DownPackets += in
	s.got[line] = c
}

// dial is the network's part in a handshake.
func (s *street) dial(ctx context.Context, d *mptcp.Dialer, _ netip.AddrPort) error {
	line, at := d.Device, time.Since(s.begun)
	s.book(line, synBytes, 0)
	w := s.of(line)
	s.mu.Lock()
	s.asked[line]++
	_, passes := w.at(at)
	s.mu.Unlock()
	if !passes || s.away(at) {
		<-ctx.Done()
		return ctx.Err()
	}
	wait := max(w.delay, 50*time.Millisecond)
	if s.refuses(at) {
		time.Sleep(wait) // the round trip
		s.book(line, resetBytes, 1)
		return unix.ECONNREFUSED
	}
	select {
	case <-ctx.Done(): // its answer comes all the same, and is refused
		time.AfterFunc(wait, func() { s.book(line, synBytes+resetBytes, 1) })
		return ctx.Err()
	case <-time.After(wait):
		s.book(line, synBytes+ackBytes+resetBytes, 1)
		return nil
	}
}

// watch lets d pass under the watch over s, and calls each whenever a minute has.
func (s *street) watch(folder string, d time.Duration, each func(at time.Duration)) {
	s.begun, s.suspects = time.Now(), make(chan string)
	s.dead, s.got = map[string]string{}, map[string]uplink.Counters{}
	s.spent, s.asked = map[string]int64{}, map[string]int{}
	for _, f := range []*func(time.Duration) bool{&s.away, &s.refuses} {
		if *f == nil {
			*f = never
		}
	}
	started := make(chan struct{})
	if s.flows {
		close(started)
	}
	budget := NewBudget(logline.New(io.Discard), folder, func() (time.Time, bool) { return time.Now(), true })
	targets := []netip.AddrPort{netip.MustParseAddrPort("[2001:db8:f::1]:5124"), netip.MustParseAddrPort("[2001:db8:f::2]:5124"), netip.MustParseAddrPort("[2001:db8:f::3]:5124")}
	w := &Watch{Log: logline.New(io.Discard), Lines: s, Targets: func() []netip.AddrPort { return targets },
		Started: func() <-chan struct{} { return started }, Budget: budget, dial: s.dial}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = w.Run(ctx) }()
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(min(time.Minute, time.Until(end))) // of the bubble's time
		if each != nil {
			each(time.Since(s.begun))
		}
	}
	stop()
	<-done
	budget.Close()
}

// A metered line carries no more than 1 MB of probes in a month, whatever happens
// to lines and concentrators.
func TestMonth(t *testing.T) {
	gone := weather{swallows: always}
	for _, tt := range []struct {
		name  string
		s     *street
		share int64 // of a month, 0: all of it
	}{
		{"all works", &street{}, 0},
		{"the metered line swallows everything", &street{lte: gone}, 0},
		{"the same, and packets come in", &street{lte: weather{swallows: always, noise: 100 * time.Second}}, 10},
		{"its answers come too late", &street{lte: weather{delay: 1500 * time.Millisecond}}, 10},
		{"it swallows for 3 hours in 6", &street{lte: weather{swallows: half(3 * time.Hour)}}, 0},
		{"it swallows every other minute", &street{lte: weather{swallows: half(time.Minute)}}, 3},
		{"its carrier goes every other minute", &street{lte: weather{noCarrier: half(time.Minute)}}, 3},
		{"the other line swallows every other minute", &street{dsl: weather{swallows: half(time.Minute)}}, 30},
		{"both do", &street{dsl: weather{swallows: half(time.Minute)}, lte: weather{swallows: half(7 * time.Minute)}}, 30},
		{"no line works", &street{dsl: gone, lte: gone}, 10},
		{"all concentrators are away", &street{away: always}, 10},
		{"they are every other hour", &street{away: half(time.Hour)}, 10},
		{"they are every other minute", &street{away: half(time.Minute)}, 3},
		{"they refuse", &street{refuses: always}, 10},
		{"the other line, under flows, swallows every other 3 s", &street{flows: true, dsl: weather{swallows: half(3 * time.Second)}}, 500},
		{"the same, and concentrators go as often", &street{flows: true, away: half(2 * time.Second), dsl: weather{swallows: half(3 * time.Second)}}, 500},
	} {
		t.Run(tt.name, func(t *testing.T) {
			folder := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				share := max(tt.share, 1)
				tt.s.watch(folder, month/time.Duration(share), func(at time.Duration) {
					if at == time.Minute { // else nobody would look for an hour
						tt.s.suspects <- "lte"
					}
				})
				most := int64(mostBytes+mostDrops) + (fillBytes+dropBytes)/share
				t.Logf("%d questions, %d bytes in 1/%d of a month", tt.s.asked["lte"], tt.s.spent["lte"], share)
				if tt.s.spent["lte"] > most {
					t.Errorf("%d bytes, want at most %d", tt.s.spent["lte"], most)
				}
			})
		})
	}
}

// The return of a metered line is noticed after a thirtieth of its absence, and soon
// when there is no other.
func TestMeteredReturn(t *testing.T) {
	for _, tt := range []struct {
		name        string
		gone, alone time.Duration // the other line goes so long before the return; 0: never
		latest      time.Duration
	}{
		{"after 10 s", 10 * time.Second, 0, 3 * time.Second},
		{"after 10 min", 10 * time.Minute, 0, 21 * time.Second},
		{"after a day", 24 * time.Hour, 0, 11 * time.Minute},
		{"after a day, the other line went 20 s ago", 24 * time.Hour, 20 * time.Second, 6 * time.Second}, // a question may be under way, and lost
	} {
		t.Run(tt.name, func(t *testing.T) {
			folder := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				const before = 2 * time.Hour
				back := before + time.Minute + tt.gone
				s := &street{lte: weather{swallows: func(at time.Duration) bool { return at >= before && at < back }}}
				if tt.alone > 0 {
					s.dsl.noCarrier = func(at time.Duration) bool { return at >= back-tt.alone }
				}
				s.watch(folder, back+30*time.Minute, func(at time.Duration) {
					if at >= before && at < before+time.Minute {
						s.suspects <- "lte" // so that its death is noticed now
					}
				})
				noticed := s.back - back
				t.Logf("noticed after %v", noticed)
				if noticed < 0 || noticed > tt.latest {
					t.Errorf("noticed %v after its return, want at most %v", noticed, tt.latest)
				}
			})
		})
	}
}
