package labnet

import (
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

// TestRate fills the link by TCP and counts what it delivers.
func TestRate(t *testing.T) {
	l := up(t, Spec{})
	link := l.Link("dsl")
	near, far := WANAddr("dsl")
	hosts := map[Direction]*Host{Downlink: l.Host("core"), Uplink: l.Host("cpe")}
	sinks := map[Direction]string{Downlink: sink(t, l.Host("cpe"), near.V4), Uplink: sink(t, l.Host("core"), far.V4)}
	for _, rate := range []int64{5e6, 50e6, 300e6} {
		set(t, link, func(c *LinkConfig) {
			*c = Symmetric(rate, rate, 2*time.Millisecond)
			c.Down.QueueTime, c.Up.QueueTime = 50*time.Millisecond, 50*time.Millisecond
		})
		for _, d := range []Direction{Downlink, Uplink} {
			stop := flood(t, hosts[d], sinks[d])
			off := 1.0
			for try := 0; try < 4 && (off > 0.03 || off < -0.03); try++ {
				cpu := machineBusy(t)
				got, took := goodput(t, link, d)
				off = got/float64(rate) - 1
				t.Logf("%v, %d Mbit/s asked for: %.2f Mbit/s; the machine was busy %.0f %% of one processor",
					d, rate/1e6, got/1e6, 100*float64(machineBusy(t)-cpu)/float64(took))
			}
			if off > 0.03 || off < -0.03 {
				t.Errorf("%v: %.1f %% off %d Mbit/s", d, off*100, rate/1e6)
			}
			stop()
		}
	}
}

// goodput measures what a busy link delivers, in bit/s.
func goodput(t *testing.T, link *Link, d Direction) (rate float64, took time.Duration) {
	t.Helper()
	sample := func() (uint64, time.Time) {
		s, err := link.Stats()
		if err != nil {
			t.Fatal(err)
		}
		if d == Downlink {
			return s.Down.Bytes, time.Now()
		}
		return s.Up.Bytes, time.Now()
	}
	time.Sleep(300 * time.Millisecond) // slow start, or a new try
	bytes, start := sample()
	time.Sleep(700 * time.Millisecond)
	more, end := sample()
	return float64(more-bytes) * 8 / end.Sub(start).Seconds(), end.Sub(start)
}

// machineBusy returns the processor time used by the whole machine.
func machineBusy(t *testing.T) time.Duration {
	t.Helper()
	f, err := os.Open("/proc/stat")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	line, _ := io.ReadAll(io.LimitReader(f, 200))
	fields := strings.Fields(strings.SplitN(string(line), "\n", 2)[0])
	var ticks int64
	for i, v := range fields[1:8] {
		if i != 3 && i != 4 { // idle, waiting
			n := int64(0)
			for _, digit := range v {
				n = n*10 + int64(digit-'0')
			}
			ticks += n
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

func sink(t *testing.T, h *Host, a netip.Addr) string {
	t.Helper()
	l, err := h.Listen("tcp", port(a, 0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf := make([]byte, 1<<20)
				for err == nil {
					_, err = c.Read(buf)
				}
			}()
		}
	}()
	return l.Addr().String()
}

// flood sends until stop.
func flood(t *testing.T, h *Host, address string) (stop func()) {
	t.Helper()
	c, err := h.Dial(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 256<<10)
		for {
			if _, err := c.Write(buf); err != nil {
				return
			}
		}
	}()
	return func() {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
		<-done
	}
}
