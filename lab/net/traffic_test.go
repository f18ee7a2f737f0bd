package labnet

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// echo answers on a host with what it read and the peer's address.
func echo(t *testing.T, h *Host, address string) {
	t.Helper()
	l, err := h.Listen("tcp", address)
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
				peer := c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
				data, _ := io.ReadAll(c)
				sum := sha256.Sum256(data)
				c.Write(append(sum[:], peer.String()...))
			}()
		}
	}()
}

// ask sends data and returns the peer address the echo server saw.
func ask(t *testing.T, h *Host, address string, data []byte) (netip.Addr, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, err := h.Dial(ctx, "tcp", address)
	if err != nil {
		return netip.Addr{}, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Write(data); err != nil {
		return netip.Addr{}, err
	}
	c.(*net.TCPConn).CloseWrite()
	answer, err := io.ReadAll(c)
	if err != nil {
		return netip.Addr{}, err
	}
	sum := sha256.Sum256(data)
	if !bytes.HasPrefix(answer, sum[:]) {
		t.Errorf("%s: other data arrived", address)
	}
	return netip.MustParseAddr(string(bytes.TrimPrefix(answer, sum[:]))), nil
}

func port(a netip.Addr, n uint16) string { return netip.AddrPortFrom(a, n).String() }

func TestTrafficLeavesByTheRightWAN(t *testing.T) {
	l := up(t, Spec{WANs: DefaultWANs(3)})
	echo(t, l.Host("net"), ":7000")
	data := bytes.Repeat([]byte("tandem"), 20_000)

	// From the LAN: by the first WAN, translated to its address.
	dsl, _ := WANAddr("dsl")
	for _, tt := range []struct{ server, want netip.Addr }{
		{Server(0).V4, dsl.V4}, {Server(9).V4, dsl.V4}, {Server(0).V6, dsl.V6}, {Server(9).V6, dsl.V6},
	} {
		got, err := ask(t, l.Host("lan"), port(tt.server, 7000), data)
		if err != nil || got != tt.want {
			t.Errorf("lan to %v: seen as %v, want %v; %v", tt.server, got, tt.want, err)
		}
	}
	// Without its carrier, the LAN does not get out; the cpe's own traffic
	// from another WAN's address does.
	if err := l.Link("dsl").SetDown(true); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"lte", "wan3"} {
		near, _ := WANAddr(name)
		before := stats(t, l, name)
		for _, tt := range []struct{ local, server netip.Addr }{{near.V4, Server(1).V4}, {near.V6, Server(1).V6}} {
			c, err := dialFrom(t, l.Host("cpe"), tt.local, port(tt.server, 7000))
			if err != nil {
				t.Errorf("%s: from %v: %v", name, tt.local, err)
				continue
			}
			c.Close()
		}
		if after := stats(t, l, name); after.Up.SYNs != before.Up.SYNs+2 {
			t.Errorf("%s carried %d SYNs, want 2", name, after.Up.SYNs-before.Up.SYNs)
		}
	}
	if err := l.Link("dsl").SetDown(false); err != nil {
		t.Fatal(err)
	}
	for _, server := range []netip.Addr{Server(0).V4, Server(0).V6} {
		if _, err := ask(t, l.Host("lan"), port(server, 7000), data); err != nil {
			t.Errorf("carrier back: %v", err)
		}
	}
	// Refused and unreachable are told at once.
	if _, err := ask(t, l.Host("lan"), port(Server(0).V4, 7001), nil); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("closed port: got %v", err)
	}
	if _, err := ask(t, l.Host("lan"), "198.51.100.250:7000", nil); !errors.Is(err, unix.ENETUNREACH) && !errors.Is(err, unix.EHOSTUNREACH) {
		t.Errorf("no route: got %v", err)
	}
}

func dialFrom(t *testing.T, h *Host, local netip.Addr, address string) (conn net.Conn, err error) {
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(local, 0)), Timeout: 5 * time.Second}
	err = h.Do(func() (err error) {
		conn, err = d.DialContext(t.Context(), "tcp", address)
		return err
	})
	return conn, err
}

func stats(t *testing.T, l *Lab, link string) LinkStats {
	t.Helper()
	s, err := l.Link(link).Stats()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestCongestionControl checks both ends of a connection: the one that dials
// takes it from its route, the one that accepts from the way back.
func TestCongestionControl(t *testing.T) {
	for _, want := range []string{"cubic", "reno"} {
		l := up(t, Spec{CongestionControl: map[string]string{"lan": want, "net": want}})
		listener, err := l.Host("net").Listen("tcp", ":7000")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		for _, server := range []netip.Addr{Server(0).V4, Server(3).V6} {
			near, err := l.Host("lan").Dial(t.Context(), "tcp", port(server, 7000))
			if err != nil {
				t.Fatal(err)
			}
			defer near.Close()
			far, err := listener.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer far.Close()
			for _, c := range []net.Conn{near, far} {
				raw, _ := c.(*net.TCPConn).SyscallConn()
				raw.Control(func(fd uintptr) {
					got, err := unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION)
					if strings.TrimRight(got, "\x00") != want || err != nil {
						t.Errorf("%v: got %q, want %q; %v", c.LocalAddr(), got, want, err)
					}
				})
			}
		}
	}
}

func TestPlainWANs(t *testing.T) {
	l := up(t, Spec{PlainWANs: true})
	echo(t, l.Host("net"), ":7000")
	for range 2 {
		for _, server := range []netip.Addr{Server(0).V4, Server(0).V6} {
			if _, err := ask(t, l.Host("lan"), port(server, 7000), []byte("x")); err != nil {
				t.Error(err)
			}
		}
		dsl := l.Link("dsl")
		if err := dsl.SetBlackhole(true); err == nil {
			t.Error("a plain link became a black hole")
		}
		if err := dsl.SetDown(true); err != nil {
			t.Fatal(err)
		}
		if out, err := l.Host("cpe").Run(t.Context(), "ip", "link", "show", "dsl"); err != nil || !strings.Contains(out, "NO-CARRIER") {
			t.Errorf("carrier still there: %s %v", out, err)
		}
		if err := dsl.SetDown(false); err != nil {
			t.Fatal(err)
		}
	}
}

func TestHostCommand(t *testing.T) {
	l := up(t, Spec{})
	_, err := l.Host("core").Run(t.Context(), "sh", "-c", "exit 7")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("got %v, want exit status 7", err)
	}
	out, err := l.Host("core").Run(t.Context(), "cat", "/proc/sys/net/ipv4/tcp_fastopen")
	if err != nil || out != "3\n" {
		t.Errorf("got %q, %v", out, err)
	}
	// No route of the lab is visible from outside, nor from another host.
	if out, _ := l.Host("lan").Run(t.Context(), "ip", "-o", "link"); strings.Contains(out, "dsl") {
		t.Errorf("lan sees the WANs: %s", out)
	}
	if _, err := l.Host("lan").Dial(t.Context(), "tcp", "localhost:1"); err == nil {
		t.Error("dialled a name")
	}
}
