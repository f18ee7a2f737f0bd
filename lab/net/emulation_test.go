package labnet

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// probe sends numbered datagrams over one WAN and notes which arrive when.
type probe struct {
	from, to net.PacketConn
	dst      net.Addr
	runs     uint32
}

// newProbe goes from the cpe to core (Uplink) or back.
func newProbe(t *testing.T, l *Lab, wan string, d Direction) *probe {
	t.Helper()
	near, far := WANAddr(wan)
	listen := func(host string, a netip.Addr) net.PacketConn {
		c, err := l.Host(host).ListenPacket("udp", port(a, 0))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		raw, _ := c.(*net.UDPConn).SyscallConn()
		raw.Control(func(fd uintptr) {
			err = errors.Join(unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
				unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20))
		})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	a, b := listen("cpe", near.V4), listen("core", far.V4)
	if d == Downlink {
		a, b = b, a
	}
	return &probe{from: a, to: b, dst: b.LocalAddr()}
}

// run sends n datagrams of 100 bytes (of IP) and returns the delays of those
// that arrived, by number. The kernel's receive time is used: how busy this
// process is does not matter then.
func (p *probe) run(t *testing.T, n int, gap time.Duration) map[uint32]time.Duration {
	t.Helper()
	p.runs++
	run := p.runs
	sent := make([]time.Time, n)
	arrived := map[uint32]time.Time{}
	done := make(chan error, 1)
	go func() {
		buf, oob := make([]byte, 100), make([]byte, 64)
		for {
			size, oobn, _, _, err := p.to.(*net.UDPConn).ReadMsgUDP(buf, oob)
			if err != nil || size != 72 {
				done <- err
				return
			}
			if binary.BigEndian.Uint32(buf[4:]) != run {
				continue // the last one of an earlier run, sent again
			}
			i := binary.BigEndian.Uint32(buf)
			if i == uint32(n) {
				done <- nil
				return
			}
			msgs, err := unix.ParseSocketControlMessage(oob[:oobn])
			if err != nil || len(msgs) != 1 {
				done <- errors.Join(err, errors.New("no receive time"))
				return
			}
			ts := (*unix.Timespec)(unsafe.Pointer(&msgs[0].Data[0]))
			arrived[i] = time.Unix(ts.Unix())
		}
	}()
	buf := make([]byte, 72)
	binary.BigEndian.PutUint32(buf[4:], run)
	for i := range n + 1 {
		binary.BigEndian.PutUint32(buf, uint32(i))
		if i < n {
			sent[i] = time.Now().Round(0) // wall clock, as the kernel's
		}
		if _, err := p.from.WriteTo(buf, p.dst); err != nil && !errors.Is(err, unix.ECONNREFUSED) {
			t.Fatal(err)
		}
		time.Sleep(gap)
	}
	// The last one may be lost: it is repeated until it arrives.
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			delays := map[uint32]time.Duration{}
			for i, at := range arrived {
				delays[i] = at.Sub(sent[i])
			}
			return delays
		case <-time.After(100 * time.Millisecond):
			p.from.WriteTo(buf, p.dst)
		}
	}
}

func quantile(delays map[uint32]time.Duration, q float64) time.Duration {
	var all []time.Duration
	for _, d := range delays {
		all = append(all, d)
	}
	slices.Sort(all)
	return all[int(q*float64(len(all)-1))]
}

func set(t *testing.T, l *Link, f func(*LinkConfig)) {
	t.Helper()
	if err := l.Change(f); err != nil {
		t.Fatal(err)
	}
}

func TestDelay(t *testing.T) {
	l := up(t, Spec{})
	for _, delay := range []time.Duration{0, 15 * time.Millisecond, 60 * time.Millisecond} {
		set(t, l.Link("dsl"), func(c *LinkConfig) { *c = Symmetric(20e6, 5e6, delay) })
		for _, d := range []Direction{Downlink, Uplink} {
			got := newProbe(t, l, "dsl", d).run(t, 200, 3*time.Millisecond)
			median := quantile(got, 0.5)
			t.Logf("%v, %v asked for: median %v, 95 %% %v, worst %v", d, delay, median, quantile(got, 0.95), quantile(got, 1))
			if off := median - delay; off < 0 || off > time.Millisecond {
				t.Errorf("%v: median %v, want %v to 1 ms more", d, median, delay)
			}
			if len(got) != 200 {
				t.Errorf("%d of 200 arrived", len(got))
			}
		}
	}
}

func TestDelayOfServerLink(t *testing.T) {
	server := Symmetric(0, 0, 40*time.Millisecond)
	l := up(t, Spec{ServerLink: &server})
	listener, err := l.Host("net").Listen("tcp", ":7000")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	best := time.Hour
	for range 5 {
		start := time.Now()
		c, err := l.Host("core").Dial(t.Context(), "tcp", port(Server(0).V4, 7000))
		if err != nil {
			t.Fatal(err)
		}
		best = min(best, time.Since(start))
		c.Close()
	}
	if best < 80*time.Millisecond || best > 82*time.Millisecond {
		t.Errorf("connected after %v, want 80 ms", best)
	}
}

func TestLossFollowsFromTheSeed(t *testing.T) {
	l := up(t, Spec{})
	p := newProbe(t, l, "lte", Uplink)
	missing := func(seed uint64) (list []uint32) {
		set(t, l.Link("lte"), func(c *LinkConfig) { c.Up.Loss = 0 })
		set(t, l.Link("lte"), func(c *LinkConfig) { c.Up.Loss, c.Seed = 0.05, seed })
		got := p.run(t, 1000, 50*time.Microsecond)
		for i := range uint32(1000) {
			if _, ok := got[i]; !ok {
				list = append(list, i)
			}
		}
		return list
	}
	seven := missing(7)
	if len(seven) < 25 || len(seven) > 80 {
		t.Errorf("lost %d of 1000 at 5 %%", len(seven))
	}
	if again := missing(7); !slices.Equal(seven, again) {
		t.Errorf("the same seed lost other packets: %v, %v", seven, again)
	}
	if slices.Equal(seven, missing(8)) {
		t.Error("another seed lost the same packets")
	}
	if s := stats(t, l, "lte"); s.Up.Drops.Loss == 0 || s.Up.Drops.Total() != s.Up.Drops.Loss {
		t.Errorf("drops: %+v", s.Up.Drops)
	}
}

func TestBlackholeAndCarrier(t *testing.T) {
	l := up(t, Spec{})
	dsl := l.Link("dsl")
	carrier := func() string {
		out, err := l.Host("cpe").Run(t.Context(), "cat", "/sys/class/net/dsl/carrier")
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(out)
	}
	reaches := func() bool {
		near, _ := WANAddr("dsl")
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		c, err := l.Host("core").Dial(ctx, "tcp", port(near.V4, 9))
		if err == nil {
			c.Close()
		}
		return errors.Is(err, unix.ECONNREFUSED) // the cpe answered
	}
	if !reaches() || carrier() != "1" {
		t.Error("does not work to begin with")
	}
	dsl.SetBlackhole(true)
	if reaches() || carrier() != "1" {
		t.Error("black hole: want the carrier and no packets")
	}
	dsl.SetBlackhole(false)
	if !reaches() {
		t.Error("black hole gone: no packets")
	}
	dsl.SetDown(true)
	if reaches() || carrier() != "0" {
		t.Error("down: want neither carrier nor packets")
	}
	dsl.SetDown(false)
	if !reaches() || carrier() != "1" {
		t.Error("up again: want both")
	}
	if s := stats(t, l, "dsl"); s.Down.Drops.Blackhole == 0 || s.Down.Drops.Off == 0 {
		t.Errorf("drops: %+v", s.Down.Drops)
	}
}

// TestChangeUnderWay checks that a new rate holds for packets that wait.
func TestChangeUnderWay(t *testing.T) {
	l := up(t, Spec{})
	p := newProbe(t, l, "dsl", Uplink)
	set(t, l.Link("dsl"), func(c *LinkConfig) { *c = Symmetric(minRate, minRate, 0); c.Up.QueueBytes = 1e6 })
	time.AfterFunc(50*time.Millisecond, func() {
		l.Link("dsl").Change(func(c *LinkConfig) { c.Up.Rate = 100e6 })
	})
	start := time.Now()
	if got := p.run(t, 100, 0); len(got) != 100 { // 10 s at the old rate
		t.Errorf("%d of 100 arrived", len(got))
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("took %v", took)
	}
}
