package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"tandem/lab/house"
	labnet "tandem/lab/net"
	"tandem/shared/convert"
	"tandem/shared/credential"
	"tandem/shared/mptcp"
	"tandem/shared/origin"
)

// preserving is a house whose LAN is routed through the concentrator's host.
func preserving() house.Options {
	return house.Options{
		Spec:   labnet.Spec{PlainWANs: true, Topology: labnet.Preserve},
		Tables: "[connect]\npreserve = [\"198.51.100.0/24\"]\n",
	}
}

// setSource is "client source" of the operator.
func setSource(t *testing.T, h *house.House, args ...string) {
	t.Helper()
	if out, err := h.ClientCommand(within(t, 20*time.Second), append([]string{"source"}, args...)...); err != nil {
		t.Fatalf("source %v: %s, %v", args, out, err)
	}
}

// seenAs connects from a LAN host to a server that says whom it sees, has a
// block of bytes echoed, and returns what the server said.
func seenAs(ctx context.Context, h *house.House, from, to string) (string, error) {
	c, err := h.DialFrom(ctx, from, to, seenPort)
	if err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	r := bufio.NewReader(c)
	block := bytes.Repeat([]byte("0123456789abcdef"), 4096)
	go func() { _, _ = c.Write(block); _ = c.CloseWrite() }()
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	if back, err := io.ReadAll(r); err != nil || !bytes.Equal(back, block) {
		return "", fmt.Errorf("%d of %d bytes came back: %w", len(back), len(block), err)
	}
	return strings.TrimPrefix(strings.TrimSpace(line), "hello "), nil
}

const seenPort = 7070

func echoBack(c *net.TCPConn) { _, _ = io.Copy(c, struct{ io.Reader }{c}) }

// TestAddressPreserved: servers see a client as the operator wants it, both
// directions carry data, and the binding log has the address.
func TestAddressPreserved(t *testing.T) {
	t.Parallel()
	h := build(t, preserving())
	ctx := within(t, 2*time.Minute)
	for _, to := range []string{house.Server4, house.Server6} {
		greeter(t, h.Host("net"), net.JoinHostPort(to, fmt.Sprint(seenPort)), echoBack)
	}
	ready(t, h)
	const (
		shared4, shared6 = house.Concentrator4, house.Concentrator6
		router4          = "198.51.100.2"
	)
	relayed := func() int64 {
		s, err := h.ConcentratorStatus()
		if err != nil {
			t.Fatal(err)
		}
		return s.Relayed
	}
	for _, tt := range []struct {
		name   string
		source []string
		v4, v6 string // whom the servers see
	}{
		{"as delivered", nil, shared4, shared6},
		{"the router's address", []string{"house", "preserved"}, router4, shared6},
		{"LAN hosts' addresses", []string{"house", "preserved", "--prefix", "192.0.2.0/27,2001:db8:1::/64"}, lanHost4, lanHost6},
		{"IPv6 alone is routed", []string{"house", "preserved", "--prefix", "2001:db8:1::/64"}, router4, lanHost6},
		{"another prefix of LAN hosts", []string{"house", "preserved", "--prefix", "192.0.2.128/27"}, router4, shared6},
		// 2001:db8:1::/56 has a sum of 0x2dba, 2001:db8:100::/56 one of 0x2eb9: the
		// first word behind the prefix makes up for it.
		{"translated prefix", []string{"house", "prefix", "--prefix", "2001:db8:100::/56"}, shared4, "2001:db8:100:0:ff00::10"},
		{"shared again", []string{"house", "shared"}, shared4, shared6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.source != nil {
				setSource(t, h, tt.source...)
			}
			before := relayed()
			// The first connection may be the one by which the CPE learns of it.
			for i := range 3 {
				for _, way := range []struct{ from, to, want string }{{lanHost4, house.Server4, tt.v4}, {lanHost6, house.Server6, tt.v6}} {
					saw, err := seenAs(ctx, h, way.from, way.to)
					if err != nil || saw != way.want {
						t.Errorf("%d: from %s to %s: the server sees %q, %v; want %s", i, way.from, way.to, saw, err, way.want)
					}
				}
			}
			if n := relayed() - before; n != 6 {
				t.Errorf("%d of 6 connections through the concentrator", n)
			}
			eventually(t, 10*time.Second, "the binding log has the addresses", func() bool {
				log := h.Concentrator.Log.String()
				return strings.Contains(log, "external="+tt.v4+":") && strings.Contains(log, "external=["+tt.v6+"]:") ||
					strings.Contains(log, "external="+tt.v4+":") && strings.Contains(log, "external=\"["+tt.v6+"]:")
			})
		})
	}
	if got := status(t, h).Flows; got.Direct != 0 {
		t.Errorf("flows %+v: some went direct", got)
	}

	t.Run("refused and unreachable", func(t *testing.T) {
		setSource(t, h, "house", "preserved", "--prefix", "192.0.2.0/27,2001:db8:1::/64")
		for _, way := range []struct{ from, to string }{{lanHost4, house.Server4}, {lanHost6, house.Server6}} {
			_, _ = seenAs(ctx, h, way.from, way.to) // the CPE learns
			c, err := h.DialFrom(ctx, way.from, way.to, house.ClosedPort)
			if err == nil {
				_ = c.SetDeadline(time.Now().Add(10 * time.Second))
				_, err = c.Read(make([]byte, 1))
				c.Close()
			}
			if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("%s: a closed port: %v", way.to, err)
			}
		}
	})

	t.Run("hand-over", func(t *testing.T) {
		c, err := h.DialFrom(ctx, lanHost4, house.Server4, house.EchoPort)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		echoes := func(when string) {
			word := []byte("still there?")
			got := make([]byte, len(word))
			if _, err := c.Write(word); err != nil {
				t.Fatalf("%s: %v", when, err)
			}
			if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, word) {
				t.Fatalf("%s: %q, %v", when, got, err)
			}
		}
		echoes("before")
		before, err := h.HandOver(ctx)
		if err != nil {
			t.Fatal(err)
		}
		ready(t, h)
		echoes("from the old process")
		if saw, err := seenAs(ctx, h, lanHost4, house.Server4); err != nil || saw != lanHost4 {
			t.Errorf("from the new process the server sees %q, %v", saw, err)
		}
		c.Close()
		if err := before.Gone(20 * time.Second); err != nil {
			t.Fatal(err)
		}
		if saw, err := seenAs(ctx, h, lanHost4, house.Server4); err != nil || saw != lanHost4 {
			t.Errorf("after the old process has ended the server sees %q, %v", saw, err)
		}
	})

	t.Run("crash and stop", func(t *testing.T) {
		core := h.Host("core")
		has := func() bool {
			tables := run(t, ctx, core, "nft", "list", "tables")
			rules := run(t, ctx, core, "ip", "rule") + run(t, ctx, core, "ip", "-6", "rule")
			return strings.Contains(tables, "tandem-return") || strings.Contains(rules, "5129")
		}
		if !has() {
			t.Fatal("nothing to be left: this test sees nothing")
		}
		if err := h.Concentrator.Kill(); err != nil {
			t.Fatal(err)
		}
		// What is left does no harm: hosts behind pass it.
		c, err := h.DialFrom(ctx, house.Direct4, house.Server4, seenPort)
		if err != nil {
			t.Fatalf("past a crashed concentrator: %v", err)
		}
		c.Close()
		if _, err := output(ctx, core, h, "cleanup"); err != nil || has() {
			t.Errorf("cleanup: %v, still there: %v", err, has())
		}
		// As its unit runs it with the drop-in of the manual.
		h.ConcentratorUnder = []string{"setpriv", "--bounding-set", "-all,+net_admin", "--inh-caps", "-all,+net_admin", "--ambient-caps", "-all,+net_admin", "--no-new-privs"}
		if err := h.StartConcentrator(ctx); err != nil {
			t.Fatal(err)
		}
		ready(t, h)
		if saw, err := seenAs(ctx, h, lanHost4, house.Server4); err != nil || saw != lanHost4 {
			t.Errorf("after a restart the server sees %q, %v", saw, err)
		}
		if err := h.Concentrator.Stop(20 * time.Second); err != nil {
			t.Fatal(err)
		}
		if has() {
			t.Error("rules are left after the stop")
		}
	})
}

// output runs a command of the concentrator's program.
func output(ctx context.Context, core *labnet.Host, h *house.House, args ...string) (string, error) {
	return core.Run(ctx, *binaries+"/tandem-concentrator", append(args, "--config", h.Dir+"/concentrator.toml")...)
}

// TestAddressesKept: no client is seen with another one's address, whatever it
// says of its LAN hosts and wherever its packets claim to be from.
func TestAddressesKept(t *testing.T) {
	t.Parallel()
	h := build(t, preserving())
	ctx := within(t, 2*time.Minute)
	neighbour := addClient(t, h, "neighbour")
	d := newDestination(t, h, 9000)
	mustReach(t, h, neighbour, d)
	reached := d.syns(t)
	setSource(t, h, "house", "preserved", "--prefix", "192.0.2.0/27,2001:db8:1::/64")
	setSource(t, h, "neighbour", "preserved", "--prefix", "192.0.2.64/27,2001:db8:2::/64")
	for _, to := range []string{house.Server4, house.Server6} {
		greeter(t, h.Host("net"), net.JoinHostPort(to, fmt.Sprint(seenPort)), echoBack)
	}
	ready(t, h)
	to4, to6 := netip.MustParseAddrPort(house.Server4+":7070"), netip.MustParseAddrPort("["+house.Server6+"]:7070")

	// The neighbour's CPE is any host that has its key.
	says := func(t *testing.T, to netip.AddrPort, host netip.Addr) (string, convert.Message) {
		t.Helper()
		got, err := converse(ctx, dialTCP, h.Host("cpe"), requestFor(t, neighbour, to, host))
		if err != nil {
			t.Fatal(err)
		}
		m := parsed(t, got)
		return string(got[4*int(got[1]):]), m
	}
	t.Run("claims", func(t *testing.T) {
		for _, tt := range []struct {
			name, host string
			to         netip.AddrPort
			sees       string
			code       convert.Code
		}{
			{"its own", "192.0.2.70", to4, "192.0.2.70", 0},
			{"its own, IPv6", "2001:db8:2::9", to6, "2001:db8:2::9", 0},
			{"no name", "", to6, "", origin.Missing},
			{"the house's", "192.0.2.10", to4, "", convert.NotAuthorized},
			{"the house's, IPv6", "2001:db8:1::10", to6, "", convert.NotAuthorized},
			{"the house's to the other family", "2001:db8:1::10", to4, "", convert.NotAuthorized},
			{"nobody's", "192.0.2.200", to4, "198.51.100.2", 0}, // its router's
			{"nobody's, IPv6", "2001:db8:9::1", to6, house.Concentrator6, 0},
			{"the server's own", house.Server6, to6, house.Concentrator6, 0},
			{"the concentrator's own", house.Concentrator6, to6, house.Concentrator6, 0},
			{"loopback", "::1", to6, house.Concentrator6, 0},
		} {
			var host netip.Addr
			if tt.host != "" {
				host = netip.MustParseAddr(tt.host)
			}
			said, m := says(t, tt.to, host)
			if m.HasError && m.Error.Code != tt.code || !m.HasError && (tt.code != 0 || said != "hello "+tt.sees+"\n") {
				t.Errorf("%s: %q, %+v; want %s, error %d", tt.name, said, m.Error, tt.sees, tt.code)
			}
		}
		if want := `client=neighbour source=198.51.100.2 reason="the router names the LAN host 192.0.2.10, which is client \"house\"'s address"`; h.Concentrator.Log.Count(want) == 0 {
			t.Errorf("the log does not say %s", want)
		}
	})
	t.Run("ICMP finds its socket", func(t *testing.T) {
		run(t, ctx, h.Host("net"), "nft", `table inet tandem-shut {
	chain in { type filter hook input priority 0; tcp dport 9100 reject with icmpx type admin-prohibited; }
}`)
		for server, host := range map[string]string{house.Server4: "192.0.2.70", house.Server6: "2001:db8:2::9"} {
			begin := time.Now()
			_, m := says(t, netip.AddrPortFrom(netip.MustParseAddr(server), 9100), netip.MustParseAddr(host))
			if m.Error.Code != convert.DestinationUnreachable || time.Since(begin) > 5*time.Second {
				t.Errorf("%s: %+v after %v", server, m.Error, time.Since(begin))
			}
		}
	})
	t.Run("forged source", func(t *testing.T) {
		// A SYN with data from the house's address, as a client with a right key
		// could send it: it is not dialled before the handshake is whole.
		setSource(t, h, "neighbour", "preserved")
		cpe4 := netip.MustParseAddr("198.51.100.2")
		run(t, ctx, h.Host("net"), "ip", "addr", "add", "198.51.100.2/32", "dev", "lo")
		for range 5 {
			forge, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
			_ = h.Host("net").Do(func() error {
				dial := mptcp.Dialer{Plain: true, SynData: true, Source: cpe4}
				c, err := dial.Dial(forge, convertPort, append(requestFor(t, neighbour, d.addr, netip.Addr{}), "hello"...))
				if c != nil {
					c.Close()
				}
				return err
			})
			cancel()
		}
		if n := d.syns(t) - reached; n != 0 {
			t.Errorf("%d connections from a forged address", n)
		}
		run(t, ctx, h.Host("net"), "ip", "addr", "del", "198.51.100.2/32", "dev", "lo")
		msg := append(requestFor(t, neighbour, d.addr, netip.Addr{}), "hello"...)
		if got, err := converse(ctx, dialMPTCP(true), h.Host("cpe"), msg); err != nil || !strings.HasSuffix(string(got), "hello") {
			t.Errorf("the same from where it lives: %x, %v", got, err)
		}
	})
	t.Run("two at once", func(t *testing.T) {
		setSource(t, h, "neighbour", "prefix", "--prefix", "2001:db8:2::/64")
		own := netip.MustParsePrefix("2001:db8:2::/64")
		each(200, 16, func(i int) {
			if i%2 == 0 {
				from, to := lanHost4, house.Server4
				if i%4 == 0 {
					from, to = lanHost6, house.Server6
				}
				if saw, err := seenAs(ctx, h, from, to); err != nil || saw != from {
					t.Errorf("the house is seen as %q, %v; want %s", saw, err, from)
				}
				return
			}
			host := netip.AddrFrom16([16]byte{0: 0xfd, 7: byte(i), 15: byte(i)})
			got, err := converse(ctx, dialTCP, h.Host("cpe"), requestFor(t, neighbour, to6, host))
			if err != nil || len(got) < 4 {
				t.Errorf("%x, %v", got, err)
				return
			}
			said := strings.TrimPrefix(strings.TrimSpace(string(got[4*int(got[1]):])), "hello ")
			if a, err := netip.ParseAddr(said); err != nil || !own.Contains(a) {
				t.Errorf("the neighbour is seen as %q", said)
			}
		})
	})
	t.Run("configured twice", func(t *testing.T) {
		for args, want := range map[string]string{
			"neighbour preserved --prefix 192.0.2.0/24":     `overlaps 192.0.2.0/27, which is client "house"'s`,
			"neighbour prefix --prefix 2001:db8:1::/64":     `overlaps 2001:db8:1::/64, which is client "house"'s`,
			"neighbour preserved --prefix 2001:db8:1::5":    `overlaps 2001:db8:1::/64, which is client "house"'s`,
			"neighbour prefix":                              "exactly one IPv6 prefix",
			"neighbour preserved --prefix 2001:db8:1::1/64": "has bits set behind its length",
		} {
			if out, err := h.ClientCommand(ctx, append([]string{"source"}, strings.Fields(args)...)...); err == nil || !strings.Contains(out+err.Error(), want) {
				t.Errorf("source %s: %q, %v; want %q", args, out, err, want)
			}
		}
	})
}

// TestAddressByDefault: the configuration preserves the addresses of all, those
// of clients that have no key too. Where this host cannot do it, connections go
// direct instead of from a shared address.
func TestAddressByDefault(t *testing.T) {
	t.Parallel()
	o := preserving()
	o.ByAddress = true
	o.Tables = strings.Replace(o.Tables, "[connect]\n", "[connect]\nsource = \"preserved\"\n", 1)
	h := build(t, o)
	ctx := within(t, time.Minute)
	greeter(t, h.Host("net"), net.JoinHostPort(house.Server4, fmt.Sprint(seenPort)), echoBack)
	const router = "198.51.100.2"
	if saw, err := seenAs(ctx, h, lanHost4, house.Server4); err != nil || saw != router {
		t.Errorf("the server sees %q, %v; want %s", saw, err, router)
	}
	if err := h.Concentrator.Stop(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	// A host without nftables.
	h.ConcentratorUnder = []string{"unshare", "--mount", "sh", "-c", `mount --bind /dev/null "$(command -v nft)" && exec "$@"`, "sh"}
	if err := h.StartConcentrator(ctx); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, "the CPE asks it again", func() bool { return status(t, h).Concentrators[0].Up })
	if saw, err := seenAs(ctx, h, lanHost4, house.Server4); err != nil || saw != router {
		t.Errorf("the server sees %q, %v; want the router, which dials it then", saw, err)
	}
	if got := status(t, h).Flows; got.Relayed != 1 || got.Direct != 1 {
		t.Errorf("flows %+v, want one relayed and one direct", got)
	}
	if n := h.Concentrator.Log.Count("servers cannot be dialled from addresses of clients"); n != 1 {
		t.Errorf("%d lines say why", n)
	}
}

// TestReturnPathDoubted: where it is doubtful that answers come by this host, the
// operator is told, when he configures it and when the daemon reads it.
func TestReturnPathDoubted(t *testing.T) {
	t.Parallel()
	o := preserving()
	o.Tables = "[connect]\npreserve = [\"198.51.100.0/24\", \"192.0.2.128/25\"]\n"
	h := build(t, o)
	ctx := within(t, time.Minute)
	core := h.Host("core")
	source := func(args ...string) string {
		t.Helper()
		out, err := output(ctx, core, h, append([]string{"client", "source", "house"}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if out := source("preserved", "--prefix", "192.0.2.0/27,2001:db8:1::/64"); strings.Contains(out, "warning") {
		t.Errorf("prefixes to which core leads: %s", out)
	}
	if out := source("preserved", "--prefix", "2001:db8:77::/64"); !strings.Contains(out, "warning: this host has no route to 2001:db8:77::/64") {
		t.Errorf("no route: %s", out)
	}
	run(t, ctx, core, "ip", "route", "add", "default", "via", house.Server6)
	if out := source("preserved", "--prefix", "2001:db8:78::/64"); !strings.Contains(out, "warning: 2001:db8:78::/64 lies behind this host's default route") {
		t.Errorf("the default route: %s", out)
	}
	for _, want := range []string{"no route to 2001:db8:77::/64", "2001:db8:78::/64 lies behind this host's default route"} {
		if h.Concentrator.Log.Count(want) == 0 {
			t.Errorf("the daemon's log does not say %q", want)
		}
	}
	if h.Concentrator.Log.Count("198.51.100.0/24") > 0 {
		t.Error("the daemon doubts what it leads to")
	}
}

// requestFor is a signed request that names a LAN host, if it is valid.
func requestFor(t *testing.T, s *credential.Signer, dst netip.AddrPort, host netip.Addr) []byte {
	t.Helper()
	m := convert.Message{HasConnect: true, Connect: convert.Connect{Addr: dst}}
	if host.IsValid() {
		m.Private = []convert.Raw{origin.Of(host)}
	}
	b, err := m.Append(nil)
	if err == nil {
		b, _, err = s.Append(b)
	}
	if err != nil {
		t.Error(err)
	}
	return b
}
