package e2e

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tandem/lab/house"
	labnet "tandem/lab/net"
)

// synPrice is what a router takes a SYN without an answer to cost (cpe/health).
const synPrice = 100

// standby is a house whose second line is metered and has nothing to carry while the
// first one works.
type standby struct {
	*house.House
	t    *testing.T
	wire string // what the second line has seen
}

func newStandby(t *testing.T, mode string) *standby {
	t.Helper()
	s := &standby{build(t, inMode(mode)), t, filepath.Join(t.TempDir(), "lte.pcap")}
	if err := s.Link("lte").Capture(s.wire); err != nil {
		t.Fatal(err)
	}
	ready(t, s.House)
	return s
}

// wired is what a line has carried: questions of the daemon, which are connections
// without MPTCP to the concentrator, with their bytes of IP; and all else, which is
// flows'.
type wired struct{ questions, bytes, others int }

func (s *standby) carried() (w wired) {
	s.t.Helper()
	text, err := os.ReadFile(s.wire)
	if err != nil {
		s.t.Fatal(err)
	}
	asks := map[uint16]bool{} // by the router's port
	for text = text[24:]; len(text) >= 16; {
		n := int(binary.LittleEndian.Uint32(text[8:]))
		if len(text) < 16+n {
			break // it is being written
		}
		p := text[16 : 16+n]
		text = text[16+n:]
		if p[0]>>4 != 4 || p[9] != 6 {
			w.others++
			continue
		}
		tcp := p[int(p[0]&15)*4:]
		from, to, flags := binary.BigEndian.Uint16(tcp), binary.BigEndian.Uint16(tcp[2:]), tcp[13]
		const syn, ack = 2, 16
		if to == 5124 && flags&(syn|ack) == syn {
			if asks[from] = !labnet.OffersMPTCP(p); asks[from] {
				w.questions++
			}
		}
		if asks[from] && to == 5124 || asks[to] && from == 5124 {
			w.bytes += n
		} else {
			w.others++
		}
	}
	return w
}

// left is what the daemon's account has for the line, which is in its file when it
// has ended.
func (s *standby) left() (bytes int) {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.StateDir(), "probes"))
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if _, err := fmt.Sscanf(line, "lte %d", &bytes); err == nil {
			return bytes
		}
	}
	s.t.Fatalf("no account of the line in %q", text)
	return 0
}

// flap does something to a link and undoes it, again and again.
func (s *standby) flap(lose func(*labnet.Link, bool) error, line string, times int, half time.Duration) {
	s.t.Helper()
	for i := range 2 * times {
		if err := lose(s.Link(line), i%2 == 0); err != nil {
			s.t.Fatal(err)
		}
		time.Sleep(half) // the state lasts
	}
}

// TestProbeBudget: whatever happens, what questions over a metered line cost is what
// the daemon has booked for them, and while the other line works they are all that it
// carries. That what is booked stays below a megabyte a month in each of these states
// is shown by a clock that runs faster (cpe/health, TestMonth, and cpe/upstream,
// TestRetriesOverMeteredLine).
func TestProbeBudget(t *testing.T) {
	t.Parallel()
	stretch, times := 8*time.Second, 3
	if *long {
		stretch, times = time.Minute, 20
	}
	swallow := func(s *standby) { s.flap((*labnet.Link).SetBlackhole, "dsl", times, 2*time.Second) }
	for _, tt := range []struct {
		name   string
		idle   bool // no flow needs the second line
		happen func(*standby)
	}{
		{"all works", true, func(*standby) { time.Sleep(stretch) }},
		{"its carrier goes and comes", true, func(s *standby) { s.flap((*labnet.Link).SetDown, "lte", times, time.Second) }},
		{"the other line's carrier goes and comes", false, func(s *standby) { s.flap((*labnet.Link).SetDown, "dsl", times, time.Second) }},
		{"the other line swallows packets now and then", false, swallow},
		{"the concentrator does not answer", true, func(s *standby) {
			if err := s.Concentrator.Signal(syscall.SIGSTOP); err != nil {
				s.t.Fatal(err)
			}
			time.Sleep(stretch)
		}},
		{"the concentrator refuses", true, func(s *standby) {
			if err := s.Concentrator.Kill(); err != nil {
				s.t.Fatal(err)
			}
			time.Sleep(stretch)
		}},
		{"packets to the concentrator are lost, others are not", false, func(s *standby) {
			run(s.t, within(s.t, 10*time.Second), s.Host("core"), "nft", "add table ip lost; add chain ip lost in { type filter hook prerouting priority -300; }; add rule ip lost in tcp dport 5124 drop")
			eventually(s.t, 20*time.Second, "flows go direct", func() bool {
				_, err := s.FirstByte(within(s.t, 10*time.Second), "", house.Server4)
				return err == nil && status(s.t, s.House).Flows.Direct > 0
			})
			total := endless(s.t, s.House)
			eventually(s.t, 20*time.Second, "one that goes direct runs", func() bool { return total() > 1<<20 })
			swallow(s)
		}},
		{"it swallows packets, and so does the other one now and then", false, func(s *standby) {
			s.swallow()
			swallow(s)
		}},
		{"it removes MPTCP", false, func(s *standby) {
			if err := s.Link("lte").SetStrip(labnet.Strip{MPTCP: true}); err != nil {
				s.t.Fatal(err)
			}
			swallow(s)
		}},
		{"it removes data from SYNs", false, func(s *standby) {
			if err := s.Link("lte").SetStrip(labnet.Strip{SYNData: true}); err != nil {
				s.t.Fatal(err)
			}
			swallow(s)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStandby(t, "overflow")
			total := slowly(t, s.House)
			eventually(t, 10*time.Second, "a download runs", func() bool { return total() > 100_000 })
			tt.happen(s)
			if err := s.CPE.Stop(10 * time.Second); err != nil {
				t.Fatal(err)
			}
			w := s.carried()
			const first = 20_000 // what a line that is new to the file has
			spent := first
			if w.questions > 0 {
				spent -= s.left()
			} else {
				spent = 0
			}
			t.Logf("%d questions, %d bytes, %d booked; %d other packets", w.questions, w.bytes, spent, w.others)
			if w.bytes > spent {
				t.Errorf("%d bytes of questions went over the line, %d are booked", w.bytes, spent)
			}
			if tt.idle && w.others > 0 {
				t.Errorf("%d packets that are no question", w.others)
			}
		})
	}
}

// swallow has all packets of the second line thrown away behind the link, where the
// capture sees what was sent.
func (s *standby) swallow() {
	s.t.Helper()
	run(s.t, within(s.t, 10*time.Second), s.Host("core"), "nft", `add table inet lost
		add chain inet lost in { type filter hook prerouting priority -300; }
		add chain inet lost out { type filter hook postrouting priority 300; }
		add rule inet lost in iifname lte0 drop
		add rule inet lost out oifname lte0 drop`)
}

// slowly begins a download at 2 Mbit/s that runs until the end of the test, and
// returns what has come so far.
func slowly(t *testing.T, h *house.House) func() int64 {
	t.Helper()
	l := newLoad(t, h, false)
	var rate atomic.Int64
	rate.Store(2e6)
	l.begin(t, pacedPort, &rate)
	return l.total.Load
}

// TestDeadStandby: a metered line that swallows packets is asked by a SYN each time,
// twice a second at first and then a thirtieth of the time apart that it is dead.
func TestDeadStandby(t *testing.T) {
	t.Parallel()
	s := newStandby(t, "failover")
	// While it carries flows, it is found dead at once.
	flows := goesOn()
	flows.talk(t, s.House, 5, 50*time.Millisecond)
	if err := s.Link("dsl").SetDown(true); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, "the flows are on the standby", func() bool { on, _ := askFlows(t, s.House).on("lte"); return on == 5 })
	s.swallow()
	if err := s.Link("dsl").SetDown(false); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, "the standby is known to be dead", func() bool { return askPaths(t, s.House).line(t, "lte").State == "down" })
	flows.end()
	stretch := 15 * time.Second
	if *long {
		stretch = 5 * time.Minute
	}
	before := s.carried()
	time.Sleep(stretch) // what is measured
	after := s.carried()
	n, bytes := after.questions-before.questions, after.bytes-before.bytes
	t.Logf("%d SYNs, %d bytes in %v", n, bytes, stretch)
	most := int(2*min(stretch, 20*time.Second).Seconds()) + 2
	if stretch > 15*time.Second {
		most += 30 * 3 // the logarithm of 300 s by 15 s is 3
	}
	if n == 0 || n > most || bytes > n*synPrice {
		t.Errorf("%d SYNs and %d bytes, want 1 to %d of %d bytes each", n, bytes, most, synPrice)
	}
	run(t, within(t, 10*time.Second), s.Host("core"), "nft", "delete table inet lost")
	took := eventually(t, 30*time.Second, "its return is noticed", func() bool { return askPaths(t, s.House).line(t, "lte").State == "up" })
	t.Logf("its return is noticed after %v", took.Round(10*time.Millisecond))
}
