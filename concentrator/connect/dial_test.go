package connect

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tandem/shared/convert"
	"tandem/shared/relay"
)

const (
	server4 = "203.0.113.10"
	server6 = "2001:db8:d::10"
)

func dst(addr string, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(addr), port)
}

// listen accepts nothing; the kernel completes handshakes.
func listen(t *testing.T, ns, addr string) (port uint16) {
	t.Helper()
	in(t, ns, func() {
		l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", net.JoinHostPort(addr, "0"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		port = l.Addr().(*net.TCPAddr).AddrPort().Port()
	})
	return port
}

// engine is of all tests, which count descriptors.
var engine = relay.NewEngine()

// dial dials from namespace "here".
func (n network) dial(t *testing.T, d Dialer, timeout time.Duration, to netip.AddrPort) (c *relay.Socket, err error) {
	t.Helper()
	in(t, n.here, func() {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		c, err = d.Dial(ctx, engine, to)
	})
	return c, err
}

func TestErrors(t *testing.T) {
	before := descriptors(t)
	n := newNetwork(t)
	open4, open6 := listen(t, n.there, "0.0.0.0"), listen(t, n.there, "::")
	n.nft(t, n.router, `
		table inet t {
			chain forward {
				type filter hook forward priority 0
				tcp dport 1000 reject with icmp net-unreachable
				tcp dport 1001 reject with icmp host-unreachable
				tcp dport 1003 reject with icmp port-unreachable
				tcp dport 1009 reject with icmp net-prohibited
				tcp dport 1010 reject with icmp host-prohibited
				tcp dport 1013 reject with icmp admin-prohibited
				tcp dport 2000 reject with icmpv6 no-route
				tcp dport 2001 reject with icmpv6 admin-prohibited
				tcp dport 2003 reject with icmpv6 addr-unreachable
				tcp dport 2004 reject with icmpv6 port-unreachable
				tcp dport 3000 reject with tcp reset
				tcp dport 3001 drop
			}
		}`)
	n.nft(t, n.here, `
		table inet t {
			chain output {
				type filter hook output priority 0
				tcp dport 3002 drop
			}
		}`)
	for _, r := range []string{
		"route add unreachable 192.0.2.1", "route add prohibit 192.0.2.2", "route add blackhole 192.0.2.3",
		"route add unreachable 2001:db8:e::1", "route add prohibit 2001:db8:e::2", "route add blackhole 2001:db8:e::3",
	} {
		n.ip(t, n.router, r)
	}
	for _, r := range []string{
		"route add unreachable 192.0.2.101", "route add prohibit 192.0.2.102", "route add blackhole 192.0.2.103",
		"route add throw 192.0.2.104",
		"route add unreachable 2001:db8:e::101", "route add prohibit 2001:db8:e::102", "route add blackhole 2001:db8:e::103",
	} {
		n.ip(t, n.here, r)
	}

	const (
		yes         = convert.Code(255)
		reset       = convert.ConnectionReset
		unreachable = convert.DestinationUnreachable
		failure     = convert.NetworkFailure
		short       = 300 * time.Millisecond
		long        = 10 * time.Second
	)
	waitSeconds := convert.WaitSeconds(wait)
	tests := []struct {
		name    string
		to      netip.AddrPort
		timeout time.Duration
		code    convert.Code
		value   byte
	}{
		{"open", dst(server4, open4), long, yes, 0},
		{"open, IPv6", dst(server6, open6), long, yes, 0},
		{"open, IPv4-mapped", dst("::ffff:"+server4, open4), long, yes, 0},
		{"closed", dst(server4, 1), long, reset, 0},
		{"closed, IPv6", dst(server6, 1), long, reset, 0},
		{"reset by a firewall", dst(server4, 3000), long, reset, 0},
		{"reset by a firewall, IPv6", dst(server6, 3000), long, reset, 0},

		{"net unreachable", dst(server4, 1000), long, unreachable, 0},
		{"host unreachable", dst(server4, 1001), long, unreachable, 1},
		{"port unreachable", dst(server4, 1003), long, unreachable, 3},
		{"net prohibited", dst(server4, 1009), long, unreachable, 9},
		{"host prohibited", dst(server4, 1010), long, unreachable, 10},
		{"admin prohibited", dst(server4, 1013), long, unreachable, 13},
		{"no route, ICMPv6", dst(server6, 2000), long, unreachable, 0},
		{"admin prohibited, ICMPv6", dst(server6, 2001), long, unreachable, 1},
		{"address unreachable, ICMPv6", dst(server6, 2003), long, unreachable, 3},
		{"port unreachable, ICMPv6", dst(server6, 2004), long, unreachable, 4},

		{"router: unreachable", dst("192.0.2.1", 80), long, unreachable, 1},
		{"router: prohibit", dst("192.0.2.2", 80), long, unreachable, 13},
		{"router: blackhole", dst("192.0.2.3", 80), short, unreachable, 1},
		{"router: no route", dst("192.0.2.4", 80), long, unreachable, 0},
		{"router: unreachable, IPv6", dst("2001:db8:e::1", 80), long, unreachable, 0},
		{"router: prohibit, IPv6", dst("2001:db8:e::2", 80), long, unreachable, 1},
		{"router: blackhole, IPv6", dst("2001:db8:e::3", 80), short, unreachable, 3},
		{"router: nobody there", dst("203.0.113.77", 80), long, unreachable, 1},
		{"router: nobody there, IPv6", dst("2001:db8:d::77", 80), long, unreachable, 3},
		{"own link: nobody there", dst("198.51.100.77", 80), long, unreachable, 1},
		{"own link: nobody there, IPv6", dst("2001:db8:c::77", 80), long, unreachable, 3},
		{"dropped", dst(server4, 3001), short, unreachable, 1},
		{"dropped, IPv6", dst(server6, 3001), short, unreachable, 3},

		{"own firewall drops", dst(server4, 3002), short, unreachable, 1},
		{"own route: unreachable", dst("192.0.2.101", 80), long, unreachable, 1},
		{"own route: prohibit", dst("192.0.2.102", 80), long, failure, waitSeconds},
		{"own route: blackhole", dst("192.0.2.103", 80), long, failure, waitSeconds},
		{"own route: none", dst("192.0.2.104", 80), long, failure, waitSeconds},
		{"own route: unreachable, IPv6", dst("2001:db8:e::101", 80), long, unreachable, 3},
		{"own route: prohibit, IPv6", dst("2001:db8:e::102", 80), long, failure, waitSeconds},
		{"own route: blackhole, IPv6", dst("2001:db8:e::103", 80), long, failure, waitSeconds},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := n.dial(t, Dialer{Mark: 0x20000000}, tt.timeout, tt.to)
			if tt.code == yes {
				if err != nil {
					t.Fatal(err)
				}
				c.Close()
				return
			}
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want Error %d", err, tt.code)
			}
			t.Log(e)
			if e.Code != tt.code || e.Value != tt.value {
				t.Errorf("got Error %d value %d, want Error %d value %d", e.Code, e.Value, tt.code, tt.value)
			}
		})
	}

	t.Run("no default route", func(t *testing.T) {
		n.ip(t, n.here, "route del default")
		n.ip(t, n.here, "-6 route del default")
		for _, to := range []string{server4, server6} {
			_, err := n.dial(t, Dialer{}, long, dst(to, 80))
			var e *Error
			if !errors.As(err, &e) || e.Code != failure {
				t.Errorf("%s: got %v, want Error 65", to, err)
			}
		}
	})
	if got := descriptors(t); got > before+4 { // the two listeners, and the poller's two
		t.Errorf("%d descriptors open, %d before", got, before)
	}
}

func TestCancelled(t *testing.T) {
	n := newNetwork(t)
	n.nft(t, n.here, `
		table inet t {
			chain output {
				type filter hook output priority 0
				tcp dport 3002 drop
			}
		}`)
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	started := make(chan struct{})
	go func() {
		var err error
		in(t, n.here, func() { close(started); _, err = new(Dialer).Dial(ctx, engine, dst(server4, 3002)) })
		done <- err
	}()
	<-started
	cancel()
	if err := <-done; err != context.Canceled {
		t.Errorf("got %v, want context.Canceled", err)
	}
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

func TestSocketOptions(t *testing.T) {
	n := newNetwork(t)
	n.ip(t, n.here, "addr add 198.51.100.3/24 dev hr")
	n.ip(t, n.here, "addr add 2001:db8:c::3/64 dev hr nodad")
	port := listen(t, n.there, "::")
	for _, tt := range []struct {
		to, source   string
		level, queue int
	}{
		{server4, "198.51.100.3", unix.SOL_IP, unix.IP_RECVERR},
		{server6, "2001:db8:c::3", unix.SOL_IPV6, unix.IPV6_RECVERR},
	} {
		d := Dialer{Mark: 0x20000000, Source: netip.MustParseAddr(tt.source)}
		c, err := n.dial(t, d, 5*time.Second, dst(tt.to, port))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if got := c.LocalAddr().(*net.TCPAddr).AddrPort().Addr(); got.String() != tt.source {
			t.Errorf("dialled from %s, want %s", got, tt.source)
		}
		rc, err := c.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range []struct {
			name                string
			level, option, want int
		}{
			{"SO_MARK", unix.SOL_SOCKET, unix.SO_MARK, 0x20000000},
			{"SO_PROTOCOL", unix.SOL_SOCKET, unix.SO_PROTOCOL, unix.IPPROTO_TCP},
			{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			{"TCP_KEEPIDLE", unix.SOL_TCP, unix.TCP_KEEPIDLE, 60},
			{"TCP_KEEPINTVL", unix.SOL_TCP, unix.TCP_KEEPINTVL, 15},
			{"TCP_KEEPCNT", unix.SOL_TCP, unix.TCP_KEEPCNT, 6},
			{"TCP_NODELAY", unix.SOL_TCP, unix.TCP_NODELAY, 1},
			{"IP_BIND_ADDRESS_NO_PORT", unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1},
			{"IP_RECVERR", tt.level, tt.queue, 0},
		} {
			var got int
			var err error
			if cerr := rc.Control(func(fd uintptr) { got, err = unix.GetsockoptInt(int(fd), o.level, o.option) }); cerr != nil {
				err = cerr
			}
			if err != nil || got != o.want {
				t.Errorf("%s: %s is %#x, %v; want %#x", tt.to, o.name, got, err, o.want)
			}
		}
	}
}

// TestICMPDoesNotBreakConnections cuts the path of an open connection with an
// ICMP message for each packet, and mends it.
func TestICMPDoesNotBreakConnections(t *testing.T) {
	n := newNetwork(t)
	for _, tt := range []struct{ to, reject string }{
		{server4, "meta nfproto ipv4 meta l4proto tcp counter reject with icmp admin-prohibited"},
		{server6, "meta nfproto ipv6 meta l4proto tcp counter reject with icmpv6 admin-prohibited"},
	} {
		var l net.Listener
		in(t, n.there, func() {
			var err error
			if l, err = net.Listen("tcp", net.JoinHostPort(tt.to, "0")); err != nil {
				t.Fatal(err)
			}
		})
		defer l.Close()
		c, err := n.dial(t, Dialer{}, 5*time.Second, l.Addr().(*net.TCPAddr).AddrPort())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()

		n.nft(t, n.router, `
			table inet cut {
				chain forward {
					type filter hook forward priority 0
					`+tt.reject+`
				}
			}`)
		if _, err := c.Write([]byte("through")); err != nil {
			t.Fatal(err)
		}
		// A deadline, for the read to end if all is well.
		_ = c.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: connection broke: %v", tt.to, err)
		}
		n.nft(t, n.router, "delete table inet cut")
		_ = s.SetReadDeadline(time.Now().Add(10 * time.Second))
		got := make([]byte, 7)
		if _, err := io.ReadFull(s, got); err != nil || string(got) != "through" {
			t.Errorf("%s: got %q, %v", tt.to, got, err)
		}
	}
}

func TestOwn(t *testing.T) {
	n := newNetwork(t)
	var got []netip.Addr
	var err error
	in(t, n.router, func() { got, err = Own() })
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"127.0.0.1", "::1", "198.51.100.2", "203.0.113.2", "2001:db8:c::2", "2001:db8:d::2"} {
		found := false
		for _, a := range got {
			found = found || a.String() == want
		}
		if !found {
			t.Errorf("%s is not in %v", want, got)
		}
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list) - 1 // without the folder itself
}
