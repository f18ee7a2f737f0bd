package ruleset

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tandem/cpe/config"
	"tandem/cpe/policy"
)

// withRules is the lab's configuration with these sections, as a file has them.
func withRules(t *testing.T, sections string) *config.Config {
	t.Helper()
	c, err := config.Parse("tandem", strings.NewReader("config tandem main\n list lan lan0\n"+sections))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const everyRule = `
 option quic refuse
config bypass
 list host 192.0.2.99
config rule
 option action bypass
 list host 02:00:5e:00:53:07
 list host 192.0.2.64/26
 list host 2001:db8:1:64::/64
 list host 192.0.2.70
 list destination 203.0.113.0/24
 list destination 2001:db8:2::/48
 list port 8000-8100
 list port 8050-8200
 list port 22
 list dscp EF
 list dscp 0
 list dscp CS0
config rule
 option action refuse
 option proto tcp
 list port 25
config rule
 option action refuse
 list dscp CS1
config rule
 option action bypass
 option proto udp
 list host 02:00:5e:00:53:08
 list port 443
config rule
 option action lowest-delay
 list host 02:00:5e:00:53:09
`

// dialAs dials with the given DSCP.
func (n *network) dialAs(src, dst string, dscp int) (net.Conn, error) {
	to := netip.MustParseAddrPort(dst)
	d := net.Dialer{Timeout: 5 * time.Second, Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			if to.Addr().Is4() {
				failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TOS, dscp<<2)
			} else {
				failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_TCLASS, dscp<<2)
			}
		})
		return errors.Join(err, failed)
	}}
	d.SetMultipathTCP(false)
	if src != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(src)}
	}
	c, err := d.Dial("tcp", dst)
	if err == nil {
		err = c.SetDeadline(time.Now().Add(10 * time.Second))
	}
	return c, err
}

// taken says who takes a connection: proxy, server, or nobody.
func (n *network) taken(t *testing.T, src, dst string, dscp int) (who string) {
	t.Helper()
	n.in(t, "lan", func() error {
		c, err := n.dialAs(src, dst, dscp)
		if errors.Is(err, unix.ECONNREFUSED) {
			who = "refused"
			return nil
		}
		if err != nil {
			return err
		}
		defer c.Close()
		answer, err := ask(c)
		who, _, _ = strings.Cut(answer, " ")
		return err
	})
	return who
}

// The kernel's rules and package policy take each connection the same way.
func TestRules(t *testing.T) {
	n, _ := routed(t, labConfig())
	n.serve(t, 82)
	mac, _ := net.ParseMAC(lanMAC)
	type call struct {
		src, dst string
		dscp     int
		want     string
	}
	const (
		me4, me6 = "192.0.2.2", "2001:db8:1::2"
		refuse   = "config rule\n option action refuse\n"
		bypass   = "config rule\n option action bypass\n"
	)
	for _, tt := range []struct {
		rules string
		calls []call
	}{
		{"", []call{{me4, web4, 0, "proxy"}, {me6, web6, 46, "proxy"}}},
		{refuse + " list port 80\n", []call{{me4, web4, 0, "refused"}, {me6, web6, 0, "refused"}, {me4, server4 + ":81", 0, "proxy"}}},
		{refuse + " option proto udp\n list port 80\n", []call{{me4, web4, 0, "proxy"}}},
		{refuse + " list port 70-79\n list port 81\n", []call{{me4, web4, 0, "proxy"}}},
		{bypass + " list port 79-81\n", []call{{me4, web4, 0, "server"}, {me6, web6, 0, "server"}}},
		{bypass + " list host 192.0.2.2\n", []call{{me4, web4, 0, "server"}, {otherHost, web4, 0, "proxy"}, {me6, web6, 0, "proxy"}}},
		{bypass + " list host 2001:db8:1::2\n", []call{{me4, web4, 0, "proxy"}, {me6, web6, 0, "server"}, {"2001:db8:1::3", web6, 0, "proxy"}}},
		{bypass + " list host " + lanMAC + "\n", []call{{me4, web4, 0, "server"}, {me6, web6, 0, "server"}}},
		{bypass + " list host 02:00:5e:00:53:99\n", []call{{me4, web4, 0, "proxy"}, {me6, web6, 0, "proxy"}}},
		{bypass + " list host 02:00:5e:00:53:99\n list host 192.0.2.2\n", []call{{me4, web4, 0, "server"}, {otherHost, web4, 0, "proxy"}, {me6, web6, 0, "proxy"}}},
		{refuse + " list host " + lanMAC + "\n list port 81\n", []call{{me4, web4, 0, "proxy"}, {me4, server4 + ":81", 0, "refused"}}},
		{refuse + " list host " + lanMAC + "\n list destination " + server6 + "\n", []call{{me4, web4, 0, "proxy"}, {me6, web6, 0, "refused"}}},
		{refuse + " list destination 203.0.113.0/30\n", []call{{me4, web4, 0, "refused"}, {me6, web6, 0, "proxy"}}},
		{refuse + " list destination 203.0.113.0/30\n list host 2001:db8:1::/64\n list host 192.0.2.3\n", []call{{me4, web4, 0, "proxy"}, {otherHost, web4, 0, "refused"}, {me6, web6, 0, "proxy"}}},
		{bypass + " list dscp EF\n", []call{{me4, web4, 46, "server"}, {me6, web6, 46, "server"}, {me4, web4, 0, "proxy"}, {me6, web6, 45, "proxy"}}},
		{refuse + " list dscp 8\n list dscp 63\n list port 80\n", []call{{me4, web4, 63, "refused"}, {me6, web6, 8, "refused"}, {me6, web6, 9, "proxy"}}},
		{bypass + " list host 192.0.2.2\n" + refuse + " list port 80\n", []call{{me4, web4, 0, "server"}, {otherHost, web4, 0, "refused"}}},
		{refuse + " list port 80\n" + bypass + " list host 192.0.2.2\n", []call{{me4, web4, 0, "refused"}, {me4, server4 + ":82", 0, "server"}}},
		{"config rule\n option action failover\n list host 192.0.2.2\n list port 80\n" + refuse + " list port 79-81\n", []call{{me4, web4, 0, "proxy"}, {otherHost, web4, 0, "refused"}, {me4, server4 + ":81", 0, "refused"}}},
		{"config rule\n option action bond\n list dscp EF\n" + bypass + " list host " + lanMAC + "\n", []call{{me4, web4, 46, "proxy"}, {me6, web6, 46, "proxy"}, {me4, web4, 0, "server"}}},
		{refuse + " option enabled 0\n list port 80\n", []call{{me4, web4, 0, "proxy"}}},
		{refuse + " list port 80\nconfig bypass\n list host 192.0.2.2\n", []call{{me4, web4, 0, "server"}, {otherHost, web4, 0, "refused"}}},
	} {
		c := withRules(t, tt.rules)
		n.apply(t, Render(c, policy.Facts{}, Intercept))
		decide := policy.New(c, policy.Facts{})
		for _, call := range tt.calls {
			if got := n.taken(t, call.src, call.dst, call.dscp); got != call.want {
				t.Errorf("%s\n%+v: taken by %q", tt.rules, call, got)
			}
			d := decide.Decide(policy.Flow{
				Src: netip.AddrPortFrom(netip.MustParseAddr(call.src), 1), Dst: netip.MustParseAddrPort(call.dst),
				SYN: &policy.SYN{MAC: mac, DSCP: uint8(call.dscp)},
			})
			want := map[string]policy.Verdict{"proxy": policy.Relay, "server": policy.Bypass, "refused": policy.Refuse}[call.want]
			if d.Verdict != want {
				t.Errorf("%s\n%+v: policy says %v", tt.rules, call, d)
			}
		}
	}
}

// While no new connections are taken, rules hold all the same.
func TestRulesWhileFull(t *testing.T) {
	n, _ := routed(t, labConfig())
	n.apply(t, Render(withRules(t, "config rule\n option action refuse\n list host 192.0.2.3\n"), policy.Facts{}, Drain))
	if got := n.taken(t, otherHost, web4, 0); got != "refused" {
		t.Errorf("taken by %q, want refused", got)
	}
	if got := n.taken(t, "192.0.2.2", web4, 0); got != "server" {
		t.Errorf("taken by %q, want server", got)
	}
}

// echoUDP answers datagrams on the server host.
func (n *network) echoUDP(t *testing.T, port int) {
	t.Helper()
	n.in(t, "server", func() error {
		for _, a := range []string{server4, server6} {
			c, err := net.ListenPacket("udp", net.JoinHostPort(a, fmt.Sprint(port)))
			if err != nil {
				return err
			}
			t.Cleanup(func() { c.Close() })
			go func() {
				buf := make([]byte, 2048)
				for {
					m, from, err := c.ReadFrom(buf)
					if err != nil {
						return
					}
					_, _ = c.WriteTo(buf[:m], from)
				}
			}()
		}
		return nil
	})
}

// datagram sends one and says what comes back.
func (n *network) datagram(t *testing.T, src, dst string) (result string) {
	t.Helper()
	n.in(t, "lan", func() error {
		d := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(src)}}
		c, err := d.Dial("udp", dst)
		if err != nil {
			return err
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := c.Write([]byte("hello")); err != nil {
			return err
		}
		_, err = c.Read(make([]byte, 16))
		switch {
		case errors.Is(err, unix.ECONNREFUSED): // ICMP port unreachable
			result = "refused"
			return nil
		case err == nil:
			result = "answered"
		}
		return err
	})
	return result
}

func TestQUIC(t *testing.T) {
	n, _ := routed(t, labConfig())
	n.echoUDP(t, 443)
	n.echoUDP(t, 444)
	const (
		quic4, quic6, other = server4 + ":443", "[" + server6 + "]:443", server4 + ":444"
		me4, me6            = "192.0.2.2", "2001:db8:1::2"
	)
	for _, tt := range []struct {
		sections string
		want     [5]string // quic4, quic6, other, quic4 of another host, TCP
	}{
		{"", [5]string{"answered", "answered", "answered", "answered", "proxy"}},
		{" option quic pass\n", [5]string{"answered", "answered", "answered", "answered", "proxy"}},
		{" option quic refuse\n", [5]string{"refused", "refused", "answered", "refused", "proxy"}},
		{" option quic refuse\nconfig bypass\n list host 192.0.2.2\n", [5]string{"answered", "refused", "answered", "refused", "server"}},
		{" option quic refuse\nconfig bypass\n list port 443\n", [5]string{"answered", "answered", "answered", "answered", "proxy"}},
		{" option quic refuse\nconfig rule\n option action bypass\n option proto udp\n list host 192.0.2.2\n", [5]string{"answered", "refused", "answered", "refused", "proxy"}},
		{"config rule\n option action refuse\n list host 192.0.2.3\n list port 443\n", [5]string{"answered", "answered", "answered", "refused", "proxy"}},
		{"config rule\n option action refuse\n option proto udp\n list host " + lanMAC + "\n list destination 2001:db8:2::/48\n", [5]string{"answered", "refused", "answered", "answered", "proxy"}},
		{"config rule\n option action refuse\n option proto tcp\n list port 80\n list port 443-444\n", [5]string{"answered", "answered", "answered", "answered", "refused"}},
	} {
		n.apply(t, Render(withRules(t, tt.sections), policy.Facts{}, Intercept))
		got := [5]string{
			n.datagram(t, me4, quic4), n.datagram(t, me6, quic6), n.datagram(t, me4, other), n.datagram(t, otherHost, quic4),
			n.taken(t, me4, web4, 0),
		}
		if got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.sections, got, tt.want)
		}
	}
}
