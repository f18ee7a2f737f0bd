package ruleset

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"tandem/cpe/config"
	"tandem/cpe/policy"
	"tandem/shared/localdelivery"
	"tandem/shared/nftables"
)

// listenerEnv makes this test binary a daemon that can be killed.
const listenerEnv = "TANDEM_TEST_LISTENER"

func TestMain(m *testing.M) {
	if os.Getenv(listenerEnv) == "" {
		os.Exit(m.Run())
	}
	l, err := listenTransparent()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("ready")
	answer(l, "proxy")
}

func labConfig() *config.Config {
	c := config.Default()
	c.LAN = []string{"lan0"}
	return &c
}

// routed is a network with routing, rules and listener in place.
func routed(t *testing.T, c *config.Config) (*network, net.Listener) {
	t.Helper()
	n := newNetwork(t)
	n.serve(t, 80)
	n.installRouting(t, localdelivery.Families{IPv4: true, IPv6: true})
	n.apply(t, Render(c, policy.Facts{}, Intercept))
	return n, n.intercept(t)
}

func (n *network) installRouting(t *testing.T, want localdelivery.Families) {
	t.Helper()
	n.in(t, "router", func() error {
		got, err := Routing().Install()
		if err == nil && got != want {
			t.Errorf("Routing().Install() = %+v, want %+v", got, want)
		}
		return err
	})
}

const (
	web4 = server4 + ":80"
	web6 = "[" + server6 + "]:80"
)

func TestInterceptAndFailOpen(t *testing.T) {
	n, listener := routed(t, labConfig())
	n.want(t, "", web4, "proxy")
	n.want(t, "", web6, "proxy")
	// Nothing listens there: only the listener answers, which shows that the
	// destination was not reached, and its port survives.
	n.want(t, "", server4+":5125", "proxy")
	n.want(t, "", server4+":65535", "proxy")
	if c := n.counters(t); c.Intercepted.Packets != 4 || c.Bypassed.Packets != 0 {
		t.Errorf("counters %+v, want 4 intercepted, 0 bypassed", c)
	}
	listener.Close()
	n.want(t, "", web4, "server")
	n.want(t, "", web6, "server")
	n.intercept(t)
	n.want(t, "", web4, "proxy")
}

func TestFailOpenAfterKill(t *testing.T) {
	n := newNetwork(t)
	n.serve(t, 80)
	n.installRouting(t, localdelivery.Families{IPv4: true, IPv6: true})
	n.apply(t, Render(labConfig(), policy.Facts{}, Intercept))
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), listenerEnv+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	n.in(t, "router", cmd.Start)
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("listener process: %q, %v", line, err)
	}
	n.want(t, "", web4, "proxy")
	n.want(t, "", web6, "proxy")
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	n.want(t, "", web4, "server")
	n.want(t, "", web6, "server")
}

func TestBypass(t *testing.T) {
	mac, err := net.ParseMAC(lanMAC)
	if err != nil {
		t.Fatal(err)
	}
	n, _ := routed(t, labConfig())
	n.serve(t, 5125)
	n.serve(t, 5124)
	tests := []struct {
		name             string
		bypass           config.Bypass
		onLink           string
		far              string
		from, to, expect string
	}{
		{name: "nothing", to: web4, expect: "proxy"},
		{name: "destination", bypass: config.Bypass{Destinations: prefixes("203.0.113.0/30")}, to: web4, expect: "server"},
		{name: "destination of v6 only", bypass: config.Bypass{Destinations: prefixes("2001:db8:2::/64")}, to: web6, expect: "server"},
		{name: "destination, other", bypass: config.Bypass{Destinations: prefixes("203.0.113.128/25")}, to: web4, expect: "proxy"},
		{name: "destination, own port number", bypass: config.Bypass{Destinations: prefixes("203.0.113.0/30")}, to: server4 + ":5125", expect: "server"},
		{name: "destination v6, own port number", bypass: config.Bypass{Destinations: prefixes("2001:db8:2::/64")}, to: "[" + server6 + "]:5125", expect: "server"},
		{name: "port", bypass: config.Bypass{Ports: []config.PortRange{{First: 79, Last: 81}}}, to: web6, expect: "server"},
		{name: "port, other", bypass: config.Bypass{Ports: []config.PortRange{{First: 81, Last: 81}}}, to: web6, expect: "proxy"},
		{name: "host", bypass: config.Bypass{Hosts: prefixes(otherHost + "/32")}, from: otherHost, to: web4, expect: "server"},
		{name: "host, other", bypass: config.Bypass{Hosts: prefixes(otherHost + "/32")}, from: "192.0.2.2", to: web4, expect: "proxy"},
		{name: "host v6", bypass: config.Bypass{Hosts: prefixes("2001:db8:1::2/127")}, from: "2001:db8:1::3", to: web6, expect: "server"},
		{name: "mac", bypass: config.Bypass{MACs: []net.HardwareAddr{mac}}, to: web4, expect: "server"},
		{name: "mac v6", bypass: config.Bypass{MACs: []net.HardwareAddr{mac}}, to: web6, expect: "server"},
		{name: "mac, other", bypass: config.Bypass{MACs: []net.HardwareAddr{{2, 0, 0x5e, 0, 0x53, 3}}}, to: web4, expect: "proxy"},
		{name: "network on link", onLink: "203.0.113.0/24", to: web4, expect: "server"},
		{name: "concentrator", far: server4, to: server4 + ":5124", expect: "server"},
		{name: "concentrator v6", far: server6, to: "[" + server6 + "]:5124", expect: "server"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, facts := labConfig(), policy.Facts{}
			c.Bypass = tt.bypass
			if tt.onLink != "" {
				facts.OnLink = prefixes(tt.onLink)
			}
			if tt.far != "" {
				c.Concentrators = []config.Concentrator{{Name: "far", Port: 5124, Addresses: []netip.Addr{netip.MustParseAddr(tt.far)}}}
			}
			n.apply(t, Render(c, facts, Intercept))
			n.want(t, tt.from, tt.to, tt.expect)
			want := Counters{Intercepted: n.counters(t).Intercepted}
			want.Intercepted.Packets = 1
			if tt.expect == "server" {
				want = Counters{Bypassed: n.counters(t).Bypassed}
				want.Bypassed.Packets = 1
			}
			if got := n.counters(t); got != want {
				t.Errorf("counters %+v, want one packet: %+v", got, want)
			}

			// Package policy says the same of what it can see.
			if len(tt.bypass.MACs) > 0 {
				return
			}
			src := netip.MustParseAddr("192.0.2.2")
			if tt.from != "" {
				src = netip.MustParseAddr(tt.from)
			}
			d := policy.New(c, facts).Decide(policy.Flow{Src: netip.AddrPortFrom(src, 1), Dst: netip.MustParseAddrPort(tt.to)})
			if (d.Verdict == policy.Bypass) != (tt.expect == "server") {
				t.Errorf("policy says %v, the rules took it to the %s", d, tt.expect)
			}
		})
	}
}

// A caller of the listener by the router's own address is refused, LAN or WAN.
func TestListenerIsNotCalledDirectly(t *testing.T) {
	n, _ := routed(t, labConfig())
	for _, call := range []struct{ host, dst string }{
		{"lan", "192.0.2.1:5125"}, {"lan", "[2001:db8:1::1]:5125"}, {"lan", "203.0.113.1:5125"},
		{"server", "203.0.113.1:5125"}, {"server", "[2001:db8:2::1]:5125"}, {"router", "127.0.0.1:5125"},
	} {
		n.in(t, call.host, func() error {
			c, err := n.dial("", call.dst)
			if err == nil {
				c.Close()
			}
			if !errors.Is(err, unix.ECONNREFUSED) {
				t.Errorf("%s to %s: got %v, want refused", call.host, call.dst, err)
			}
			return nil
		})
	}
}

// Connections made before the rules keep going direct; connections accepted
// before draining stay with the proxy while new ones go direct.
func TestLiveConnectionsKeepTheirWay(t *testing.T) {
	n := newNetwork(t)
	n.serve(t, 80)
	n.installRouting(t, localdelivery.Families{IPv4: true, IPv6: true})
	n.intercept(t)
	open := func() (c net.Conn) {
		n.in(t, "lan", func() (err error) {
			c, err = n.dial("", web4)
			return err
		})
		t.Cleanup(func() { c.Close() })
		return c
	}
	wantFrom := func(c net.Conn, want string) {
		t.Helper()
		if got, err := ask(c); err != nil || got != want+" "+web4 {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	before := open()
	wantFrom(before, "server")
	n.apply(t, Render(labConfig(), policy.Facts{}, Intercept))
	wantFrom(before, "server")
	during := open()
	wantFrom(during, "proxy")
	n.apply(t, Render(labConfig(), policy.Facts{}, Drain))
	wantFrom(before, "server")
	wantFrom(during, "proxy")
	wantFrom(open(), "server")
	n.apply(t, Render(labConfig(), policy.Facts{}, Intercept))
	wantFrom(before, "server")
	wantFrom(during, "proxy")
	wantFrom(open(), "proxy")
}

// While rules are replaced over and over, each connection is intercepted.
func TestApplyUnderLoad(t *testing.T) {
	n, _ := routed(t, labConfig())
	c, facts := labConfig(), policy.Facts{}
	c.Bypass.Destinations = prefixes("198.51.100.0/24")
	texts := []string{Render(labConfig(), facts, Intercept), Render(c, facts, Intercept)}
	stop, applied := make(chan struct{}), make(chan error)
	var count atomic.Int64
	go func() {
		applied <- n.enter("router", func() error {
			for {
				select {
				case <-stop:
					return nil
				default:
				}
				if err := (NFT{}).Apply(context.Background(), texts[count.Load()%2]); err != nil {
					return err
				}
				count.Add(1)
			}
		})
	}()
	// At least 400, and as many as it takes until the rules were replaced often
	// enough: on a busy machine nft is the slower one.
	connections := 0
	for begun := time.Now(); connections < 400 || count.Load() < 10 && time.Since(begun) < time.Minute; connections++ {
		n.want(t, "", []string{web4, web6}[connections%2], "proxy")
	}
	close(stop)
	if err := <-applied; err != nil {
		t.Fatal(err)
	}
	if got := count.Load(); got < 10 {
		t.Errorf("rules were replaced %d times, want at least 10", got)
	}
	t.Logf("%d connections while rules were replaced %d times", connections, count.Load())
}

// The guard against proxy loops counts what the daemon forgot to mark.
func TestUnmarkedCounter(t *testing.T) {
	c := labConfig()
	c.Concentrators = []config.Concentrator{{Name: "far", Port: 80, Addresses: []netip.Addr{netip.MustParseAddr(server4), netip.MustParseAddr(server6)}}}
	n, _ := routed(t, c)
	call := func(mark int) {
		for _, dst := range []string{web4, web6} {
			n.in(t, "router", func() error {
				d := net.Dialer{Timeout: 5 * time.Second, Control: func(_, _ string, c syscall.RawConn) error {
					var failed error
					if err := c.Control(func(fd uintptr) {
						failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, mark)
					}); err != nil {
						return err
					}
					return failed
				}}
				conn, err := d.Dial("tcp", dst)
				if err != nil {
					return err
				}
				defer conn.Close()
				_, err = ask(conn)
				return err
			})
		}
	}
	call(MarkOwn)
	if got := n.counters(t).Unmarked.Packets; got != 0 {
		t.Errorf("marked connections: %d packets counted as unmarked, want 0", got)
	}
	call(0)
	if got := n.counters(t).Unmarked.Packets; got < 4 {
		t.Errorf("unmarked connections: %d packets counted, want all", got)
	}
}

// listing is the whole ruleset of the router, without counter values.
func (n *network) listing(t *testing.T) (text string) {
	t.Helper()
	n.in(t, "router", func() error {
		out, err := exec.Command("nft", "list", "ruleset").Output()
		text = regexp.MustCompile(`packets \d+ bytes \d+`).ReplaceAllString(string(out), "packets N")
		return err
	})
	return text
}

func TestApplyTwice(t *testing.T) {
	n := newNetwork(t)
	large, facts := fullConfig(t)
	for i := range 10000 {
		a := netip.AddrFrom4([4]byte{203, byte(i >> 7), byte(i << 1), 0})
		large.Bypass.Destinations = append(large.Bypass.Destinations, netip.PrefixFrom(a, 24))
	}
	all := renderings(t)
	all["large"] = Render(large, facts, Intercept)
	for name, text := range all {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			n.apply(t, text)
			took := time.Since(start)
			first := n.listing(t)
			n.apply(t, text)
			if diff := cmp.Diff(first, n.listing(t)); diff != "" {
				t.Errorf("second apply changed the rules (-first +second):\n%s", diff)
			}
			t.Logf("applied in %v, listing of %d bytes", took, len(first))
		})
	}
}

// A ruleset that the kernel refuses leaves the old one.
func TestApplyWholeOrNotAtAll(t *testing.T) {
	n := newNetwork(t)
	text := Render(labConfig(), policy.Facts{}, Intercept)
	n.apply(t, text)
	first := n.listing(t)
	broken := strings.Replace(text, "goto opening", "goto nowhere", 1)
	n.in(t, "router", func() error {
		if err := (NFT{}).Apply(context.Background(), broken); err == nil {
			t.Error("a jump to a chain that does not exist was accepted")
		}
		return nil
	})
	if diff := cmp.Diff(first, n.listing(t)); diff != "" {
		t.Errorf("a refused ruleset changed the rules (-before +after):\n%s", diff)
	}
}

func TestNFTMissing(t *testing.T) {
	missing := NFT{Program: "/nonexistent/nft"}
	if err := missing.Apply(context.Background(), ""); !errors.Is(err, nftables.ErrMissing) {
		t.Errorf("Apply without nft: got %v, want nftables.ErrMissing", err)
	}
	if _, err := missing.Counters(context.Background()); !errors.Is(err, nftables.ErrMissing) {
		t.Errorf("Counters without nft: got %v, want nftables.ErrMissing", err)
	}
}
