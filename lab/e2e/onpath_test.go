package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tandem/lab/house"
	labnet "tandem/lab/net"
	"tandem/lab/servers"
	"tandem/shared/convert"
	"tandem/shared/mptcp"
)

// onPath is a house whose concentrator stands on the way of the first line.
func onPath(tables string) house.Options {
	o := sixty()
	o.OnPath, o.Tables = true, tables
	return o
}

// carries tells whether the newest flow is carried by a line now.
func carries(t *testing.T, h *house.House, line string) bool {
	_, before := askFlows(t, h).on(line)
	time.Sleep(100 * time.Millisecond)
	_, after := askFlows(t, h).on(line)
	return after > before
}

// TestOnPathBothLines downloads over DSL and LTE: the sum of both, no message of
// Convert on either line, and the server's own address from end to end.
func TestOnPathBothLines(t *testing.T) {
	h := build(t, house.Options{OnPath: true})
	ctx := within(t, 2*time.Minute)
	files := map[string]string{}
	for _, line := range []string{"dsl", "lte"} {
		files[line] = filepath.Join(h.Dir, line+".pcap")
		if err := h.Link(line).Capture(files[line]); err != nil {
			t.Fatal(err)
		}
	}
	for _, server := range []string{house.Server4, house.Server6} {
		if err := h.Download(ctx, "", server, 1<<20); err != nil {
			t.Fatal(err)
		}
		if err := h.Upload(ctx, "", server, 1<<20); err != nil {
			t.Fatal(err)
		}
	}
	for line, file := range files {
		if err := h.Link(line).Capture(""); err != nil {
			t.Fatal(err)
		}
		packets, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if len(packets) < 1<<20 {
			t.Errorf("%s carried %d bytes, not its share", line, len(packets))
		}
		// Magic 0x2263 and version: with what follows it in a request, three bytes
		// of four are always the same (RFC 8803 section 4.1).
		if n := convertHeaders(packets); n != 0 {
			t.Errorf("%d messages of Convert on %s", n, line)
		}
	}

	var dsl, lte float64
	var errs [2]error
	var wg sync.WaitGroup
	wg.Add(2)
	const alone, together = 8 * time.Second, 12 * time.Second
	go func() { defer wg.Done(); dsl, errs[0] = h.DownRate(ctx, house.Direct4, alone, nil) }()
	go func() { defer wg.Done(); lte, errs[1] = h.DownRate(ctx, house.DirectLTE4, alone, nil) }()
	wg.Wait()
	if errs[0] != nil || errs[1] != nil {
		t.Fatal(errs)
	}
	both, err := h.DownRate(ctx, "", together, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("DSL %.1f, LTE %.1f, on the path %.1f Mbit/s: %.3f of the sum", dsl/1e6, lte/1e6, both/1e6, both/(dsl+lte))
	if both < 0.92*(dsl+lte) {
		t.Errorf("%.3f of the sum, want 0.92", both/(dsl+lte))
	}
	s, c := status(t, h), concentratorStatus(t, h)
	if s.Flows.MPTCP != 5 || s.Flows.Direct != 0 || c.OnPath != 5 {
		t.Errorf("router %+v, concentrator %+v, want 5 flows taken over", s.Flows, c)
	}
	eventually(t, 5*time.Second, "the router has seen that they were", func() bool {
		s := status(t, h).Concentrators[0]
		return s.Up && s.Reason == "" && s.OnPath != nil && s.OnPath.Taken > 0 && s.OnPath.Passed == 0
	})
}

// convertHeaders counts TCP payloads that begin as a Convert message does.
func convertHeaders(pcap []byte) (n int) {
	for _, p := range payloads(pcap) {
		if len(p) >= 4 && p[0] == convert.Version && bytes.Equal(p[2:4], []byte{0x22, 0x63}) {
			n++
		}
	}
	return n
}

// payloads are the TCP payloads in a pcap file of raw IP packets.
func payloads(pcap []byte) (all [][]byte) {
	for rest := pcap[24:]; len(rest) >= 16; {
		n := int(rest[8]) | int(rest[9])<<8 | int(rest[10])<<16
		p := rest[16 : 16+n]
		rest = rest[16+n:]
		header := 40
		if p[0]>>4 == 4 {
			header = int(p[0]&15) * 4
		}
		if len(p) < header+20 {
			continue
		}
		tcp := p[header:]
		all = append(all, tcp[min(len(tcp), int(tcp[12]>>4)*4):])
	}
	return all
}

// TestOnPathFirstByte compares the first byte with a direct connection's, one
// after the other.
func TestOnPathFirstByte(t *testing.T) {
	h := build(t, onPath(""))
	ctx := within(t, time.Minute)
	n := 20
	if *long {
		n = 200
	}
	var taken, direct []time.Duration
	for range n {
		for _, way := range []struct {
			source string
			times  *[]time.Duration
		}{{"", &taken}, {house.Direct4, &direct}} {
			took, err := h.FirstByte(ctx, way.source, house.Server4)
			if err != nil {
				t.Fatal(err)
			}
			*way.times = append(*way.times, took)
		}
	}
	mt, md := median(taken), median(direct)
	t.Logf("median of %d: direct %v, on the path %v", n, md, mt)
	bar := 15 * time.Millisecond // no round trip of 60 ms; milliseconds depend on the machine
	if *long {
		bar = time.Millisecond
	}
	if mt > md+bar {
		t.Errorf("median first byte %v, direct %v", mt, md)
	}
	if c := concentratorStatus(t, h); c.OnPath != int64(n) {
		t.Errorf("concentrator %+v, want %d taken over", c, n)
	}
}

// TestOnPathLineLost cuts the first line under a download: it lives on the second
// one, and uses the first again when that is back.
func TestOnPathLineLost(t *testing.T) {
	for name, lose := range map[string]func(*labnet.Link, bool) error{
		"carrier":   (*labnet.Link).SetDown,
		"blackhole": (*labnet.Link).SetBlackhole,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := build(t, onPath(""))
			ctx := within(t, time.Minute)
			c, err := h.DialFrom(ctx, "", house.Server4, house.HTTPPort)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.WriteString(c, "GET /for/2m HTTP/1.1\r\nHost: lab\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { _, err := io.Copy(io.Discard, c); ended <- err }()
			eventually(t, 10*time.Second, "both lines carry", func() bool { return carries(t, h, "dsl") && carries(t, h, "lte") })
			if err := lose(h.Link("dsl"), true); err != nil {
				t.Fatal(err)
			}
			eventually(t, 10*time.Second, "the line is down", func() bool { return askPaths(t, h).line(t, "dsl").State == "down" })
			took := eventually(t, 5*time.Second, "the flow goes on over the other", func() bool { return carries(t, h, "lte") })
			t.Logf("it goes on over LTE, seen after %v", took.Round(time.Millisecond))
			// Connections of now do not pass the concentrator: they go direct.
			if _, err := h.FirstByte(ctx, "", house.Server4); err != nil {
				t.Error(err)
			}
			if got := status(t, h).Flows; got.Direct != 1 {
				t.Errorf("flows %+v, want the new one direct", got)
			}
			if err := lose(h.Link("dsl"), false); err != nil {
				t.Fatal(err)
			}
			took = eventually(t, 10*time.Second, "the flow is on both again", func() bool { return carries(t, h, "dsl") && carries(t, h, "lte") })
			t.Logf("on both %v after its return", took.Round(time.Millisecond))
			if _, err := h.FirstByte(ctx, "", house.Server4); err != nil {
				t.Error(err)
			}
			if got := concentratorStatus(t, h); got.OnPath != 2 {
				t.Errorf("concentrator %+v, want 2 taken over", got)
			}
			select {
			case err := <-ended:
				t.Errorf("the download ended: %v", err)
			default:
			}
		})
	}
}

// TestOnPathFailover uses the second line only when the first one is gone, for a
// flow that was taken over.
func TestOnPathFailover(t *testing.T) {
	t.Parallel()
	o := onPath("")
	o.CPE = "\toption mode 'failover'\n"
	h := build(t, o)
	ctx := within(t, time.Minute)
	c, err := h.DialFrom(ctx, "", house.Server4, house.HTTPPort)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET /for/2m HTTP/1.1\r\nHost: lab\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, c) }()
	eventually(t, 10*time.Second, "the first line carries", func() bool { return carries(t, h, "dsl") })
	time.Sleep(time.Second) // a second line would have been taken by now
	if n, bytes := askFlows(t, h).on("lte"); bytes > 0 {
		t.Errorf("LTE has %d flows and carried %d bytes while DSL works", n, bytes)
	}
	if err := h.Link("dsl").SetDown(true); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, "the flow goes on over the other", func() bool { return carries(t, h, "lte") })
	if err := h.Link("dsl").SetDown(false); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, "it is on the first again", func() bool { return carries(t, h, "dsl") })
	if got := concentratorStatus(t, h).OnPath; got != 1 {
		t.Errorf("%d taken over, want 1", got)
	}
}

// TestOnPathGone stops and kills the concentrator: routing goes on, connections
// are end to end, and when it is back they are taken over again.
func TestOnPathGone(t *testing.T) {
	h := build(t, onPath(""))
	ctx := within(t, time.Minute)
	edge := h.ConcentratorHost()
	before := ""
	state := func() string {
		return run(t, ctx, edge, "ip", "mptcp", "endpoint") + run(t, ctx, edge, "ip", "rule") + run(t, ctx, edge, "nft", "list", "tables") +
			run(t, ctx, edge, "sysctl", "net.mptcp.allow_join_initial_addr_port")
	}
	works := func(what string) {
		t.Helper()
		for _, server := range []string{house.Server4, house.Server6} {
			if err := h.Download(ctx, "", server, 300_000); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	works("at first")
	for _, end := range []struct {
		name string
		end  func() error
	}{
		{"stopped", func() error { return h.Concentrator.Stop(10 * time.Second) }},
		{"killed", func() error { return h.Concentrator.Kill() }},
		{"stopped again", func() error { return h.Concentrator.Stop(10 * time.Second) }},
	} {
		taken := concentratorStatus(t, h).OnPath
		if taken == 0 {
			t.Errorf("before it is %s nothing was taken over", end.name)
		}
		if err := end.end(); err != nil {
			t.Fatal(err)
		}
		works(end.name) // the first is plain TCP through us, or fails over to that
		eventually(t, 5*time.Second, "the router says that it is gone", func() bool {
			c := status(t, h).Concentrators[0]
			return !c.Up && c.Reason != ""
		})
		works(end.name + ", and known to be")
		if end.name != "killed" {
			if now := state(); before == "" {
				before = now
				if strings.Contains(now, "tandem") || strings.Contains(now, "5128") || !strings.Contains(now, "= 1") {
					t.Errorf("left behind:\n%s", now)
				}
			} else if now != before {
				t.Errorf("%s: left\n%s\nand not\n%s", end.name, now, before)
			}
		}
		if err := h.StartConcentrator(ctx); err != nil {
			t.Fatal(err)
		}
		eventually(t, 10*time.Second, "the router has it back", func() bool { return status(t, h).Concentrators[0].Up })
		works("back")
	}
	if got := status(t, h).Flows; got.Refused != 0 {
		t.Errorf("flows %+v: some were refused", got)
	}
}

// TestOnPathHandover has another process take the concentrator's place: what is
// open goes on in the old one, what comes is taken over by the new one, also
// when the old one has ended.
func TestOnPathHandover(t *testing.T) {
	t.Parallel()
	h := build(t, onPath(""))
	ctx := within(t, time.Minute)
	c, err := h.DialFrom(ctx, "", house.Server4, house.EchoPort)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	echo := func() {
		t.Helper()
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := c.Write([]byte("still")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
	}
	echo()
	before, err := h.HandOver(ctx)
	if err != nil {
		t.Fatal(err)
	}
	download := func(want int64) {
		t.Helper()
		if err := h.Download(ctx, "", house.Server4, 300_000); err != nil {
			t.Error(err)
		}
		if got := concentratorStatus(t, h).OnPath; got != want {
			t.Errorf("the new process has taken over %d, want %d", got, want)
		}
	}
	download(1)
	echo()
	c.Close()
	if err := before.Gone(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	download(2)
}

// TestOnPathLeavesAlone: plain TCP, other sources, other interfaces, excepted
// destinations and ports, and servers that speak MPTCP reach their servers by
// themselves.
func TestOnPathLeavesAlone(t *testing.T) {
	h := build(t, onPath("leave_destinations = [\"203.0.113.11\"]\nleave_ports = [8002]\nmptcp_servers = \"leave\"\n"))
	ctx := within(t, time.Minute)
	// Servers, by what they see.
	for _, s := range []struct {
		addr  string
		port  int
		mptcp bool
	}{{house.Server4, 9001, false}, {"203.0.113.11", 9001, true}, {house.Server4, 8002, true}, {house.Server4, 9002, true}} {
		listenSaying(t, h, netip.AddrPortFrom(netip.MustParseAddr(s.addr), uint16(s.port)), s.mptcp)
	}
	const foreign = "198.18.0.2"
	edge := labnet.Edge().V4.String()
	run(t, ctx, h.Host("cpe"), "ip", "addr", "add", foreign+"/30", "dev", "dsl")
	run(t, ctx, h.ConcentratorHost(), "ip", "addr", "add", "198.18.0.1/30", "dev", "dsl0")
	run(t, ctx, h.Host("core"), "ip", "route", "add", foreign, "via", edge)
	ask := func(host, device, source, addr string, port int, speak bool) (answer string, isMPTCP bool) {
		t.Helper()
		var got []byte
		err := h.Host(host).Do(func() error {
			d := mptcp.Dialer{Plain: !speak, Device: device, Source: netip.MustParseAddr(source)}
			c, err := d.Dial(ctx, netip.AddrPortFrom(netip.MustParseAddr(addr), uint16(port)), nil)
			if err != nil {
				return err
			}
			defer c.Close()
			isMPTCP, _ = mptcp.IsMPTCP(c)
			_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
			got, err = io.ReadAll(c)
			return err
		})
		if err != nil {
			t.Fatalf("%s:%d: %v", addr, port, err)
		}
		return strings.TrimSpace(string(got)), isMPTCP
	}
	dsl, lte := "198.51.100.2", "198.51.100.130"
	taken := func() int64 { return concentratorStatus(t, h).OnPath }
	cpe := "cpe"
	for _, tt := range []struct {
		name           string
		device, source string
		addr           string
		port           int
		speak          bool
		want           bool // taken over
		server         string
	}{
		{"taken", "dsl", dsl, house.Server4, 9001, true, true, edge + " tcp"},
		{"plain TCP", "dsl", dsl, house.Server4, 9001, false, false, dsl + " tcp"},
		{"other line", "lte", lte, house.Server4, 9001, true, false, lte + " tcp"},
		{"other source", "dsl", foreign, house.Server4, 9001, true, false, foreign + " tcp"},
		{"destination", "dsl", dsl, "203.0.113.11", 9001, true, false, dsl + " mptcp"},
		{"port", "dsl", dsl, house.Server4, 8002, true, false, dsl + " mptcp"},
		{"speaks MPTCP, not known yet", "dsl", dsl, house.Server4, 9002, true, true, edge + " tcp"},
	} {
		before := taken()
		answer, _ := ask(cpe, tt.device, tt.source, tt.addr, tt.port, tt.speak)
		if got := taken() - before; got != 0 != tt.want || answer != tt.server {
			t.Errorf("%s: %d taken over, the server saw %q, want %v and %q", tt.name, got, answer, tt.want, tt.server)
		}
	}
	eventually(t, 5*time.Second, "a server that speaks MPTCP is left alone", func() bool {
		answer, isMPTCP := ask(cpe, "dsl", dsl, house.Server4, 9002, true)
		return answer == dsl+" mptcp" && isMPTCP
	})
	// The listener itself is nobody's to call.
	err := h.Host(cpe).Do(func() error {
		c, err := (&mptcp.Dialer{}).Dial(ctx, netip.MustParseAddrPort(edge+":5127"), nil)
		if err == nil {
			c.Close()
		}
		return err
	})
	if err == nil || !strings.Contains(err.Error(), unix.ECONNREFUSED.Error()) {
		t.Errorf("a connection to the transparent listener: %v, want it refused", err)
	}
}

// listenSaying serves connections with what the server sees of them: the peer's
// address, and mptcp or tcp.
func listenSaying(t *testing.T, h *house.House, addr netip.AddrPort, speak bool) {
	t.Helper()
	var l *net.TCPListener
	err := h.Host("net").Do(func() (err error) {
		lc := mptcp.ListenConfig{MPTCP: speak}
		l, err = lc.Listen(addr)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go servers.Each(l, func(c *net.TCPConn) {
		word := "tcp"
		if is, _ := mptcp.IsMPTCP(c); is {
			word = "mptcp"
		}
		fmt.Fprintln(c, c.RemoteAddr().(*net.TCPAddr).IP, word)
	})
}
