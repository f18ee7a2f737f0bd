package e2e

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tandem/lab/house"
	labnet "tandem/lab/net"
	"tandem/shared/mptcp"
)

// TestReplay takes a client's first write off the wire, early data included,
// and sends it again 1,000 times: the bytes on new connections, and the very
// packet, a SYN with data. It goes on after a hand-over to a new process, a clean
// restart of the concentrator and kill -9. The destination is contacted exactly once
// for each request the client made.
func TestReplay(t *testing.T) {
	t.Parallel()
	o := fast()
	o.Tables = noFront
	h := build(t, o)
	ctx := within(t, 4*time.Minute)
	client := addClient(t, h, "house2")
	d := newDestination(t, h, 9000)
	mustReach(t, h, client, d) // from here on it knows the concentrator's time

	// The packet: from a client that sends all in the SYN.
	taken := tapSYN(t, h.Host("core"), "net")
	payload := append(request(t, client, d.addr), "once\n"...)
	c, err := dialMPTCP(true)(ctx, h.Host("net"), convertPort, payload)
	if err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 24+5)
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.ReadFull(c, answer); err != nil || string(answer[24:]) != "once\n" {
		t.Fatalf("the client itself got %x, %v", answer, err)
	}
	if inSYN, err := mptcp.SynDataAcked(c); err != nil || !inSYN {
		t.Fatalf("the request did not go in the SYN: %v", err)
	}
	syn := taken()
	_ = mptcp.Reset(c)
	want := int64(2)
	check := func(when string) {
		t.Helper()
		if n := d.syns(t); n != int(want) || d.accepted.Load() != want {
			t.Fatalf("%s: the destination saw %d SYNs and %d connections, want %d", when, n, d.accepted.Load(), want)
		}
	}
	check("before")

	replay := func(when string, n int, told bool) {
		t.Helper()
		var answered atomic.Int64
		each(n, 16, func(i int) {
			way := dialTCP
			if i%4 == 3 {
				way = dialMPTCP(i%8 == 3)
			}
			got, err := converse(ctx, way, h.Host("net"), payload)
			if err != nil {
				t.Errorf("replay: %v", err)
			}
			if len(got) > 0 {
				answered.Add(1)
			}
			if len(got) > 0 && (!told || len(got) != 36) {
				t.Errorf("%s: a replay is answered %x", when, got)
			}
		})
		check(when)
		before, err := h.ConcentratorStatus()
		if err != nil {
			t.Fatal(err)
		}
		got := inject(t, ctx, h, syn, n)
		eventually(t, 20*time.Second, "injected SYNs were judged", func() bool {
			now, err := h.ConcentratorStatus()
			return err == nil && now.Pending == 0 && now.Refused > before.Refused
		})
		check(when + ", as packets")
		t.Logf("%s: %d replays, %d told the time; %d SYNs injected", when, n, answered.Load(), got)
	}

	replay("at once", 1000, false)

	if _, err := h.HandOver(ctx); err != nil {
		t.Fatal(err)
	}
	replay("after a hand-over", 300, false)

	if err := h.Concentrator.Stop(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	restartConcentrator(t, h)
	replay("after a clean restart", 300, false)

	if err := h.Concentrator.Kill(); err != nil {
		t.Fatal(err)
	}
	restartConcentrator(t, h)
	// Now it cannot know what was used: who has a right tag is told the time.
	replay("after kill -9", 300, true)

	mustReach(t, h, client, d)
	want++
	check("a new request")
	replay("after the client's next request", 100, true)
}

// tapSYN starts to listen on a host's device; the returned function waits for
// the first SYN with data to the concentrator's port and returns the packet,
// from its IPv4 header on, with its checksums made right.
func tapSYN(t *testing.T, host *labnet.Host, device string) func() []byte {
	t.Helper()
	var fd int
	err := host.Do(func() (err error) {
		const all = unix.ETH_P_IP<<8&0xff00 | unix.ETH_P_IP>>8
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, all); err != nil {
			return err
		}
		return unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10})
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return func() []byte {
		b := make([]byte, 2048)
		for {
			n, _, err := unix.Recvfrom(fd, b, 0)
			if err != nil {
				t.Fatalf("no SYN seen on %s: %v", device, err)
			}
			p := b[:n]
			ihl := int(p[0]&15) * 4
			if n < ihl+20 || p[9] != unix.IPPROTO_TCP || binary.BigEndian.Uint16(p[ihl+2:]) != convertPort.Port() || p[ihl+13]&0x12 != 0x02 {
				continue
			}
			if offset := int(p[ihl+12]>>4) * 4; n == ihl+offset {
				continue // no data
			}
			binary.BigEndian.PutUint16(p[ihl+16:], 0)
			binary.BigEndian.PutUint16(p[ihl+16:], tcpChecksum(p[12:16], p[16:20], p[ihl:]))
			return append([]byte(nil), p...)
		}
	}
}

// tcpChecksum is that of a segment whose own is 0. The kernel leaves it to the
// device, and a captured packet has none.
func tcpChecksum(src, dst, segment []byte) uint16 {
	var sum uint32
	add := func(b []byte) {
		for ; len(b) > 1; b = b[2:] {
			sum += uint32(b[0])<<8 | uint32(b[1])
		}
		if len(b) == 1 {
			sum += uint32(b[0]) << 8
		}
	}
	add(src)
	add(dst)
	sum += unix.IPPROTO_TCP + uint32(len(segment))
	add(segment)
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// inject sends a captured packet n times, from the host that it came from,
// slowly enough for the kernel's queue of SYNs with data, which has a place
// for each until it is reset. It returns how many the kernel took as new
// connections.
func inject(t *testing.T, ctx context.Context, h *house.House, packet []byte, n int) int {
	t.Helper()
	before := fastOpened(t, ctx, h)
	err := h.Host("net").Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		to := &unix.SockaddrInet4{Addr: netip.MustParseAddr(house.Concentrator4).As4()}
		pace := time.NewTicker(time.Millisecond)
		defer pace.Stop()
		for range n {
			if err := unix.Sendto(fd, packet, 0, to); err != nil {
				return err
			}
			<-pace.C
		}
		return nil
	})
	if err != nil {
		t.Fatal(fmt.Errorf("inject: %w", err))
	}
	return fastOpened(t, ctx, h) - before
}

// fastOpened is how many SYNs with data the concentrator's kernel has taken.
func fastOpened(t *testing.T, ctx context.Context, h *house.House) (n int) {
	t.Helper()
	out := run(t, ctx, h.Host("core"), "nstat", "-asz", "TcpExtTCPFastOpenPassive")
	if _, err := fmt.Sscan(lastLineField(out), &n); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	return n
}
