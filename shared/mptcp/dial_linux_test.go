package mptcp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func random(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func TestDial(t *testing.T) {
	noCookie := ListenConfig{MPTCP: true, FastOpen: 64, NoCookie: true}
	cookie := ListenConfig{MPTCP: true, FastOpen: 64}
	tests := []struct {
		name   string
		listen ListenConfig
		dialer Dialer
		addr   netip.Addr
		first  int
		// sysctl net.ipv4.tcp_fastopen of either host, if not 3
		clientTFO, serverTFO string
		before               int // connections made before the one looked at

		wantMPTCP, wantAcked bool
	}{
		{name: "no first bytes", listen: noCookie, addr: addrB1, wantMPTCP: true},
		{name: "first bytes after the handshake", listen: noCookie, addr: addrB1, first: 300, wantMPTCP: true},
		{name: "64 KiB after the handshake", listen: noCookie, addr: addrB1, first: 64 << 10, wantMPTCP: true},
		{name: "plain TCP listener", addr: addrB1, first: 300},
		{name: "SYN data asked for, none given", listen: noCookie, dialer: Dialer{SynData: true}, addr: addrB1, wantMPTCP: true},
		{name: "SYN data", listen: noCookie, dialer: Dialer{SynData: true}, addr: addrB1, first: 300, wantMPTCP: true, wantAcked: true},
		{name: "SYN data, IPv6", listen: noCookie, dialer: Dialer{SynData: true}, addr: addr6B, first: 300, wantMPTCP: true, wantAcked: true},
		{name: "SYN data, bound", listen: noCookie, dialer: Dialer{SynData: true, Source: addrA1, Device: "w1", Mark: 7}, addr: addrB1, first: 300, wantMPTCP: true, wantAcked: true},
		{name: "more than one SYN takes", listen: noCookie, dialer: Dialer{SynData: true}, addr: addrB1, first: 64 << 10, wantMPTCP: true, wantAcked: true},
		{name: "1 MiB", listen: noCookie, dialer: Dialer{SynData: true}, addr: addrB1, first: 1 << 20, wantMPTCP: true, wantAcked: true},
		{name: "no cookie yet", listen: cookie, dialer: Dialer{SynData: true, Cookie: true}, addr: addrB1, first: 300, wantMPTCP: true},
		{name: "cookie learnt", listen: cookie, dialer: Dialer{SynData: true, Cookie: true}, addr: addrB1, first: 300, before: 1, wantMPTCP: true, wantAcked: true},
		{name: "cookie learnt, 64 KiB, IPv6", listen: cookie, dialer: Dialer{SynData: true, Cookie: true}, addr: addr6B, first: 64 << 10, before: 1, wantMPTCP: true, wantAcked: true},
		// What the peer does not take costs MPTCP.
		{name: "server does no TFO", listen: noCookie, dialer: Dialer{SynData: true}, addr: addrB1, first: 300, serverTFO: "0"},
		{name: "server does no TFO, 64 KiB", listen: noCookie, dialer: Dialer{SynData: true}, addr: addrB1, first: 64 << 10, serverTFO: "0"},
		{name: "server wants a cookie", listen: cookie, dialer: Dialer{SynData: true}, addr: addrB1, first: 300},
		{name: "plain TCP listener, SYN data", dialer: Dialer{SynData: true}, addr: addrB1, first: 300},
		// What our kernel does not send does not.
		{name: "client does no TFO", listen: noCookie, dialer: Dialer{SynData: true}, addr: addrB1, first: 300, clientTFO: "2", wantMPTCP: true},
		{name: "client does no TFO, bound", listen: noCookie, dialer: Dialer{SynData: true, Source: addrA1, Device: "w1", Mark: 7}, addr: addrB1, first: 64 << 10, clientTFO: "2", wantMPTCP: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			newLab(t)
			if tt.clientTFO != "" {
				sysctl(t, nsA, "net.ipv4.tcp_fastopen", tt.clientTFO)
			}
			if tt.serverTFO != "" {
				sysctl(t, nsB, "net.ipv4.tcp_fastopen", tt.serverTFO)
			}
			l := listen(t, tt.listen, tt.addr)
			received := make(chan *net.TCPConn)
			first := random(tt.first)
			got := make([]byte, tt.first)
			go func() { // reads as it comes: 1 MiB does not fit into the buffers
				defer close(received)
				for range tt.before + 1 {
					c, err := l.AcceptTCP()
					if err != nil {
						t.Error(err)
						return
					}
					t.Cleanup(func() { c.Close() })
					_ = c.SetDeadline(time.Now().Add(10 * time.Second))
					if _, err := io.ReadFull(c, got); err != nil {
						t.Error(err)
					}
					received <- c
				}
			}()
			for range tt.before {
				dial(t, tt.dialer, tt.addr, first)
				<-received
			}
			client := dial(t, tt.dialer, tt.addr, first)
			server := <-received
			if !bytes.Equal(got, first) {
				t.Error("server got other bytes than were sent")
			}
			ctx := within10s(t)
			if err := WaitEstablished(ctx, server); err != nil {
				t.Fatal(err)
			}
			if _, err := server.Write([]byte("pong")); err != nil {
				t.Fatal(err)
			}
			answer := make([]byte, 4)
			if _, err := io.ReadFull(client, answer); err != nil || string(answer) != "pong" {
				t.Fatalf("answer %q, %v", answer, err)
			}
			for _, side := range []struct {
				name string
				c    *net.TCPConn
			}{{"client", client}, {"server", server}} {
				if got, err := IsMPTCP(side.c); got != tt.wantMPTCP || err != nil {
					t.Errorf("%s: IsMPTCP = %v, %v; want %v", side.name, got, err, tt.wantMPTCP)
				}
				if got, err := SynDataAcked(side.c); got != tt.wantAcked || err != nil {
					t.Errorf("%s: SynDataAcked = %v, %v; want %v", side.name, got, err, tt.wantAcked)
				}
				if got, err := Opened(side.c); got.MPTCP != tt.wantMPTCP || got.SynDataAcked != tt.wantAcked || got.RTT == 0 || err != nil {
					t.Errorf("%s: Opened = %+v, %v", side.name, got, err)
				}
			}
		})
	}
}

func TestDialFails(t *testing.T) {
	newLab(t)
	sysctl(t, nsA, "net.ipv4.tcp_syn_retries", "1")
	short := func() (context.Context, context.CancelFunc) {
		return context.WithTimeout(context.Background(), 50*time.Millisecond)
	}
	long := func() (context.Context, context.CancelFunc) {
		return context.WithTimeout(context.Background(), 20*time.Second)
	}
	soon := func() (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(50*time.Millisecond, cancel)
		return ctx, cancel
	}
	cancelled := func() (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		return ctx, cancel
	}
	boom := errors.New("boom")
	tests := []struct {
		name   string
		dialer Dialer
		to     netip.Addr
		ctx    func() (context.Context, context.CancelFunc)
		want   error
	}{
		{"refused", Dialer{}, addrB1, long, unix.ECONNREFUSED},
		{"refused, IPv6", Dialer{}, addr6B, long, unix.ECONNREFUSED},
		{"unreachable", Dialer{}, addrU, long, unix.EHOSTUNREACH},
		{"no route", Dialer{}, netip.MustParseAddr("203.0.113.9"), long, unix.ENETUNREACH},
		{"nobody answers", Dialer{}, addrN1, long, unix.ETIMEDOUT},
		{"deadline", Dialer{}, addrN1, short, context.DeadlineExceeded},
		{"cancelled", Dialer{}, addrN1, soon, context.Canceled},
		{"cancelled before", Dialer{}, addrB1, cancelled, context.Canceled},
		{"no such device", Dialer{Device: "w9"}, addrB1, long, unix.ENODEV},
		{"not our address", Dialer{Source: addrB1}, addrB1, long, unix.EADDRNOTAVAIL},
		{"control", Dialer{Control: func(int) error { return boom }}, addrB1, long, boom},
	}
	for _, synData := range []bool{false, true} {
		for _, tt := range tests {
			name := tt.name
			if synData {
				name += ", SYN data"
			}
			t.Run(name, func(t *testing.T) {
				d := tt.dialer
				d.SynData = synData
				var err error
				before := 0
				on(t, nsA, func() error {
					before = descriptors(t)
					ctx, cancel := tt.ctx()
					defer cancel()
					_, err = d.Dial(ctx, netip.AddrPortFrom(tt.to, port), []byte("hello"))
					if after := descriptors(t); after != before {
						t.Errorf("%d descriptors, %d before", after, before)
					}
					return nil
				})
				if !errors.Is(err, tt.want) {
					t.Errorf("error %v, want %v", err, tt.want)
				}
			})
		}
	}
}

// A lost SYN, or a lost answer to it, loses none of the first bytes. Whether
// the connection is still MPTCP is up to the kernel (6.18: not with SYN data).
func TestDialThroughLoss(t *testing.T) {
	tests := []struct{ name, hook, packet string }{
		{"SYN", "input", "tcp dport 5124 tcp flags & (syn | ack) == syn"},
		{"SYN-ACK", "output", "tcp sport 5124 tcp flags & (syn | ack) == (syn | ack)"},
	}
	for _, tt := range tests {
		for _, synData := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, SYN data %v", tt.name, synData), func(t *testing.T) {
				newLab(t)
				l := listen(t, ListenConfig{MPTCP: true, FastOpen: 8, NoCookie: true}, addrB1)
				// The first one is within the limit, and dropped.
				nft(t, nsB, fmt.Sprintf(`table inet lose {
	chain c {
		type filter hook %s priority 0
		%s limit rate 1/hour burst 1 packets drop
	}
}`, tt.hook, tt.packet))
				first := random(300)
				client := dial(t, Dialer{SynData: synData}, addrB1, first)
				server := accept(t, l)
				got := make([]byte, len(first))
				if _, err := io.ReadFull(server, got); err != nil || !bytes.Equal(got, first) {
					t.Errorf("server got other bytes than were sent (%v)", err)
				}
				if err := WaitEstablished(within10s(t), server); err != nil {
					t.Fatal(err)
				}
				if _, err := server.Write([]byte("x")); err != nil {
					t.Fatal(err)
				}
				if _, err := client.Read(make([]byte, 1)); err != nil {
					t.Error(err)
				}
				isMPTCP, err := IsMPTCP(client)
				if err != nil || !synData && !isMPTCP {
					t.Errorf("IsMPTCP = %v, %v", isMPTCP, err)
				}
				t.Logf("still MPTCP: %v", isMPTCP)
			})
		}
	}
}

// The peer takes the connection but not the bytes.
func TestDialDeadlineInWrite(t *testing.T) {
	newLab(t)
	l := listen(t, ListenConfig{MPTCP: true, FastOpen: 8, NoCookie: true}, addrB1)
	defer l.Close()
	for _, synData := range []bool{false, true} {
		on(t, nsA, func() error {
			ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
			defer cancel()
			before := descriptors(t)
			_, err := (&Dialer{SynData: synData}).Dial(ctx, netip.AddrPortFrom(addrB1, port), make([]byte, 64<<20))
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("SYN data %v: error %v", synData, err)
			}
			if after := descriptors(t); after != before {
				t.Errorf("SYN data %v: %d descriptors, %d before", synData, after, before)
			}
			return nil
		})
	}
}

func TestDialWithoutKernelSupport(t *testing.T) {
	newLab(t)
	sysctl(t, nsA, "net.mptcp.enabled", "0")
	on(t, nsA, func() error {
		before := activeOpens(t)
		_, err := (&Dialer{SynData: true}).Dial(within10s(t), netip.AddrPortFrom(addrB1, port), []byte("hello"))
		if !errors.Is(err, unix.ENOPROTOOPT) || !strings.Contains(err.Error(), "net.mptcp.enabled") {
			t.Errorf("error %v, want ENOPROTOOPT that names net.mptcp.enabled", err)
		}
		if after := activeOpens(t); after != before {
			t.Errorf("connections were attempted: ActiveOpens %s, %s before", after, before)
		}
		_, err = (&ListenConfig{MPTCP: true}).Listen(netip.AddrPortFrom(addrA1, port))
		if !errors.Is(err, unix.ENOPROTOOPT) {
			t.Errorf("listen: error %v, want ENOPROTOOPT", err)
		}
		return nil
	})
}

// activeOpens returns the count of connection attempts of the host the thread
// is on.
func activeOpens(t *testing.T) string {
	b, err := os.ReadFile("/proc/thread-self/net/snmp")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); f[0] == "Tcp:" && f[1] != "RtoAlgorithm" {
			return f[5]
		}
	}
	t.Fatal("no Tcp line in snmp")
	return ""
}

func TestDialOptions(t *testing.T) {
	newLab(t)
	seen := 0
	d := Dialer{
		Source: addrA1, Device: "w1", Mark: 0x20000000,
		KeepAlive: net.KeepAliveConfig{Enable: true, Idle: 240 * time.Second, Interval: 30 * time.Second, Count: 4},
		Control:   func(fd int) error { seen = fd; return nil },
	}
	client, _ := pair(t, listenMPTCP(t), d)
	if seen == 0 {
		t.Error("Control was not called")
	}
	if got := client.LocalAddr().(*net.TCPAddr).AddrPort().Addr(); got != addrA1 {
		t.Errorf("local address %v, want %v", got, addrA1)
	}
	for _, o := range []struct {
		name                string
		level, option, want int
	}{
		{"SO_MARK", unix.SOL_SOCKET, unix.SO_MARK, 0x20000000},
		{"SO_PROTOCOL", unix.SOL_SOCKET, unix.SO_PROTOCOL, unix.IPPROTO_MPTCP},
		{"TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{"TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 240},
		{"TCP_KEEPINTVL", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 30},
		{"TCP_KEEPCNT", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 4},
	} {
		if got, err := intOption(client, o.level, o.option); got != o.want || err != nil {
			t.Errorf("%s = %d, %v; want %d", o.name, got, err, o.want)
		}
	}
	device := ""
	err := control(client, func(fd uintptr) (err error) {
		device, err = unix.GetsockoptString(int(fd), unix.SOL_SOCKET, unix.SO_BINDTODEVICE)
		return err
	})
	if device != "w1" || err != nil {
		t.Errorf("SO_BINDTODEVICE = %q, %v", device, err)
	}
	l := listen(t, ListenConfig{}, addr6B)
	defer l.Close()
	plain := dial(t, Dialer{}, addr6B, nil)
	if got, _ := intOption(plain, unix.SOL_SOCKET, unix.SO_KEEPALIVE); got != 0 {
		t.Error("keepalive is on without having been asked for")
	}
}

// Every packet of every subflow has the mark, and takes its own device.
func TestMarkOnBothSubflows(t *testing.T) {
	newLab(t)
	secondPath(t, 0)
	nft(t, nsA, `table inet watch {
	chain out {
		type filter hook output priority 0
		tcp dport 5124 meta mark != 0x20000000 counter name unmarked
		tcp dport 5124 oifname w1 ip saddr != 192.0.2.1 counter name astray
		tcp dport 5124 oifname w2 ip saddr != 198.51.100.1 counter name astray
	}
	counter unmarked { }
	counter astray { }
}`)
	client, server := pair(t, listenMPTCP(t), Dialer{Source: addrA1, Device: "w1", Mark: 0x20000000})
	eventually(t, "second subflow", hasExtraSubflow(client))
	go io.Copy(io.Discard, server)
	if _, err := client.Write(make([]byte, 4<<20)); err != nil {
		t.Fatal(err)
	}
	_ = Reset(client)
	for _, name := range []string{"unmarked", "astray"} {
		if got := nftCounter(t, nsA, name); got != "0" {
			t.Errorf("%s packets: %s", name, got)
		}
	}
}

func TestNoDescriptorLeaks(t *testing.T) {
	newLab(t)
	l := listen(t, ListenConfig{MPTCP: true, FastOpen: 64, NoCookie: true}, addrB1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, c)
			c.Close()
		}
	}()
	on(t, nsA, func() error {
		before := descriptors(t)
		for i := range 200 {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			if i%4 == 3 { // often ends in the middle of something
				time.AfterFunc(time.Duration(i)*time.Microsecond, cancel)
			}
			c, err := (&Dialer{SynData: i%2 == 0}).Dial(ctx, netip.AddrPortFrom(addrB1, port), []byte("hello"))
			cancel()
			switch {
			case err == nil && i%3 == 0:
				err = Reset(c)
			case err == nil:
				err = c.Close()
			}
			if err != nil && !errors.Is(err, context.Canceled) {
				return err
			}
		}
		eventually(t, "as many descriptors as before", func() (bool, error) { return descriptors(t) <= before, nil })
		return nil
	})
	l.Close()
	<-done
}
