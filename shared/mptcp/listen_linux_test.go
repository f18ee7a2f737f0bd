package mptcp

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestListenOptions(t *testing.T) {
	newLab(t)
	const (
		sol, ip, ip6, tcp = unix.SOL_SOCKET, unix.IPPROTO_IP, unix.IPPROTO_IPV6, unix.IPPROTO_TCP
	)
	type option struct {
		name                string
		level, option, want int
	}
	tests := []struct {
		name string
		lc   ListenConfig
		addr netip.Addr
		want []option
	}{
		{"zero value", ListenConfig{}, netip.IPv4Unspecified(), []option{
			{"SO_PROTOCOL", sol, unix.SO_PROTOCOL, unix.IPPROTO_TCP},
			{"SO_REUSEADDR", sol, unix.SO_REUSEADDR, 1},
			{"SO_REUSEPORT", sol, unix.SO_REUSEPORT, 0},
		}},
		{"transparent", ListenConfig{Transparent: true, Mark: 9}, netip.IPv4Unspecified(), []option{
			{"IP_TRANSPARENT", ip, unix.IP_TRANSPARENT, 1},
			{"SO_MARK", sol, unix.SO_MARK, 9},
		}},
		{"transparent, IPv6", ListenConfig{Transparent: true, V6Only: true}, netip.IPv6Unspecified(), []option{
			{"IPV6_TRANSPARENT", ip6, unix.IPV6_TRANSPARENT, 1},
			{"IPV6_V6ONLY", ip6, unix.IPV6_V6ONLY, 1},
		}},
		{"mptcp", ListenConfig{MPTCP: true, FastOpen: 33, NoCookie: true, ReusePort: true}, addr6B, []option{
			{"SO_PROTOCOL", sol, unix.SO_PROTOCOL, unix.IPPROTO_MPTCP},
			{"TCP_FASTOPEN", tcp, unix.TCP_FASTOPEN, 33},
			{"TCP_FASTOPEN_NO_COOKIE", tcp, unix.TCP_FASTOPEN_NO_COOKIE, 1},
			{"IPV6_V6ONLY", ip6, unix.IPV6_V6ONLY, 0},
			{"SO_REUSEPORT", sol, unix.SO_REUSEPORT, 1},
		}},
		{"mptcp, transparent, mark", ListenConfig{MPTCP: true, Transparent: true, Mark: 3, Device: "w1"}, netip.IPv4Unspecified(), []option{
			{"SO_MARK", sol, unix.SO_MARK, 3},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := listen(t, tt.lc, tt.addr)
			defer l.Close()
			for _, o := range tt.want {
				if got, err := intOption(l, o.level, o.option); got != o.want || err != nil {
					t.Errorf("%s = %d, %v; want %d", o.name, got, err, o.want)
				}
			}
		})
	}
}

// A transparent listener gets what is sent to addresses of others.
func TestTransparentListener(t *testing.T) {
	newLab(t)
	stranger := netip.MustParseAddr("203.0.113.77")
	run(t, "ip -n %s route add %s/32 via %s", nsA, stranger, addrB1)
	run(t, "ip -n %s route add local %s/32 dev lo table 100", nsB, stranger)
	run(t, "ip -n %s rule add fwmark 1 lookup 100", nsB)
	sysctl(t, nsB, "net.ipv4.ip_forward", "1")
	nft(t, nsB, `table inet divert {
	chain pre {
		type filter hook prerouting priority mangle
		ip daddr 203.0.113.77 tcp dport 443 tproxy ip to :5124 meta mark set 1 accept
	}
}`)
	for _, overMPTCP := range []bool{false, true} {
		l := listen(t, ListenConfig{Transparent: true, MPTCP: overMPTCP}, netip.IPv4Unspecified())
		to := netip.AddrPortFrom(stranger, 443)
		var client *net.TCPConn
		on(t, nsA, func() (err error) {
			client, err = new(Dialer).Dial(within10s(t), to, []byte("x"))
			return err
		})
		defer client.Close()
		server := accept(t, l)
		if got := server.LocalAddr().(*net.TCPAddr).AddrPort(); got != to {
			t.Errorf("MPTCP %v: local address %v, want %v", overMPTCP, got, to)
		}
		if got, err := IsMPTCP(server); got != overMPTCP || err != nil {
			t.Errorf("IsMPTCP = %v, %v; want %v", got, err, overMPTCP)
		}
		l.Close()
	}
}

// What the documentation of Listen says of accepted connections.
func TestAcceptedKeepAlive(t *testing.T) {
	newLab(t)
	_, server := pair(t, listenMPTCP(t), Dialer{})
	idle, err := intOption(server, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE)
	if idle != 15 || err != nil {
		t.Errorf("keepalive after %d s, %v", idle, err)
	}
	if err := server.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: time.Minute}); err != nil {
		t.Error(err)
	}
}
