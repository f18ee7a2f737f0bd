package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tandem/lab/house"
	labnet "tandem/lab/net"
	"tandem/lab/servers"
)

const (
	lanHost4 = "192.0.2.10"
	lanHost6 = "2001:db8:1::10"
)

// lanServer listens on a LAN host and says first whom it sees, then handles
// the rest.
func lanServer(t *testing.T, h *house.House, address string, rest func(*net.TCPConn)) {
	t.Helper()
	greeter(t, h.Host("lan"), address, rest)
}

// greeter is lanServer for any host.
func greeter(t *testing.T, host *labnet.Host, address string, rest func(*net.TCPConn)) {
	t.Helper()
	l, err := host.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		_ = servers.Each(l, func(c *net.TCPConn) {
			host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
			fmt.Fprintf(c, "hello %s\n", host)
			rest(c)
		})
	}()
}

// fromOutside connects from the servers' host and returns the first line and
// when it came.
func fromOutside(ctx context.Context, h *house.House, address string) (net.Conn, string, time.Duration, error) {
	begin := time.Now()
	c, err := h.Host("net").Dial(ctx, "tcp", address)
	if err != nil {
		return nil, "", 0, err
	}
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	var line []byte
	var b [1]byte
	for err == nil && b[0] != '\n' {
		if _, err = io.ReadFull(c, b[:]); err == nil {
			line = append(line, b[0])
		}
	}
	took := time.Since(begin)
	if err != nil {
		c.Close()
		return nil, "", took, err
	}
	return c, strings.TrimSpace(string(line)), took, nil
}

const redirects = `config redirect
	option src_dport '2222'
	option dest_ip '192.0.2.10'
	option dest_port '22'

config redirect
	option src_dport '2300-2303'
	option dest_ip '192.0.2.10'
	option source 'router'

config redirect
	option src_dport '2666'
	option dest_ip '2001:db8:1::10'
	option dest_port '22'

config redirect
	option src_dport '2400'
	option dest_ip '192.0.2.10'
	option dest_port '9'
`

// TestFromOutside: hosts outside reach LAN hosts through ports of the
// concentrator, as behind a port forward.
func TestFromOutside(t *testing.T) {
	t.Parallel()
	o := sixty()
	o.CPESections = redirects
	h := build(t, o)
	ctx := within(t, 2*time.Minute)
	forward := func(args ...string) (string, error) {
		return h.ClientCommand(ctx, append([]string{"forward"}, args...)...)
	}
	for _, ports := range []string{"2222", "2300-2303", "2400", "2666"} {
		if out, err := forward("add", "house", ports); err != nil {
			t.Fatalf("%s: %s, %v", ports, out, err)
		}
	}
	if out, err := forward("add", "house", "2500", lanHost4+":22"); err != nil {
		t.Fatalf("%s, %v", out, err)
	}
	echo := func(c *net.TCPConn) { _, _ = io.Copy(c, struct{ io.Reader }{c}) }
	lanServer(t, h, lanHost4+":22", echo)
	lanServer(t, h, lanHost4+":2302", echo)
	lanServer(t, h, "["+lanHost6+"]:22", echo)
	ready(t, h)

	const concentrator, concentrator6 = house.Concentrator4, "[" + house.Concentrator6 + "]"
	t.Run("whom the LAN host sees", func(t *testing.T) {
		for _, tt := range []struct{ to, sees string }{
			{concentrator + ":2222", ""},
			{concentrator + ":2302", "192.0.2.1"},
			{concentrator6 + ":2666", ""},
		} {
			var c net.Conn
			eventually(t, 20*time.Second, "port "+tt.to+" is open", func() bool {
				var err error
				var line string
				c, line, _, err = fromOutside(ctx, h, tt.to)
				if err != nil {
					return false
				}
				sees := tt.sees
				if sees == "" { // the remote host
					sees = c.LocalAddr().(*net.TCPAddr).IP.String()
				}
				if line != "hello "+sees {
					t.Errorf("%s: the LAN host sees %q, want %s", tt.to, line, sees)
				}
				return true
			})
			// Both ways, and the end of one direction does not end the other.
			word := []byte("are you there?")
			got := make([]byte, len(word))
			if _, err := c.Write(word); err != nil {
				t.Error(err)
			}
			if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, word) {
				t.Errorf("%s: %q, %v", tt.to, got, err)
			}
			_ = c.(*net.TCPConn).CloseWrite()
			if rest, err := io.ReadAll(c); len(rest) != 0 || err != nil {
				t.Errorf("%s: at the end %q, %v", tt.to, rest, err)
			}
			c.Close()
		}
		if s, err := h.ConcentratorStatus(); err != nil || s.Inbound < 3 {
			t.Errorf("%+v, %v: want 3 connections from outside", s, err)
		}
	})
	t.Run("time", func(t *testing.T) {
		lanServer(t, h, house.Direct4+":22", echo)
		// What a port forward on the first line would do, without a translator.
		run(t, ctx, h.Host("net"), "ip", "route", "add", "192.0.2.0/24", "via", concentrator)
		run(t, ctx, h.Host("core"), "ip", "route", "replace", "192.0.2.0/24", "via", "198.51.100.2")
		var direct, through []time.Duration
		for range 15 {
			for to, list := range map[string]*[]time.Duration{house.Direct4 + ":22": &direct, concentrator + ":2222": &through} {
				c, _, took, err := fromOutside(ctx, h, to)
				if err != nil {
					t.Fatal(err)
				}
				c.Close()
				*list = append(*list, took)
			}
		}
		d, m := median(direct), median(through)
		t.Logf("banner after %v, by a direct port forward after %v", m, d)
		if m > d+60*time.Millisecond+10*time.Millisecond {
			t.Errorf("banner after %v, direct after %v: want R + 10 ms more at most", m, d)
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		for to, why := range map[string]string{
			concentrator + ":2400": "the LAN host's port is closed",
			concentrator + ":2500": "the operator names a LAN host, which this router does not let him",
		} {
			if c, line, took, err := fromOutside(ctx, h, to); !errors.Is(err, syscall.ECONNRESET) || took > 5*time.Second {
				t.Errorf("%s: %s: %q, %v after %v", to, why, line, err, took)
				if c != nil {
					c.Close()
				}
			}
		}
		for _, port := range []string{"2223", "2299", "2304"} {
			if _, _, _, err := fromOutside(ctx, h, concentrator+":"+port); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("port %s, which is nobody's: %v", port, err)
			}
		}
	})
	t.Run("the router lets the operator name hosts", func(t *testing.T) {
		h := build(t, house.Options{Spec: o.Spec})
		file := filepath.Join(h.Dir, "config", "tandem")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.Replace(text, []byte("\toption key"), []byte("\toption forwards '1'\n\toption key"), 1)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := h.ReloadCPE(ctx); err != nil {
			t.Fatal(err)
		}
		if out, err := h.ClientCommand(ctx, "forward", "add", "house", "2500", lanHost4+":22"); err != nil {
			t.Fatalf("%s, %v", out, err)
		}
		lanServer(t, h, lanHost4+":22", echo)
		eventually(t, 20*time.Second, "port 2500 leads to the LAN host", func() bool {
			c, line, _, err := fromOutside(ctx, h, concentrator+":2500")
			if err == nil {
				c.Close()
			}
			return err == nil && line == "hello "+house.Server4
		})
	})
	t.Run("what cannot be forwarded", func(t *testing.T) {
		addClient(t, h, "neighbour")
		for args, want := range map[string]string{
			"add neighbour 2222":               `port 2222 is client "house"'s`,
			"add neighbour 2000-2223":          `port 2222 is client "house"'s`,
			"add neighbour 22":                 "not among those that the configuration allows",
			"add neighbour 5124":               "port 5124 is the concentrator's own",
			"add neighbour 5000-6000":          "port 5124 is the concentrator's own",
			"add neighbour 40000":              "not among those that the configuration allows",
			"add neighbour 0":                  "is not a port",
			"add neighbour 3000 nowhere":       "is not an address with a port",
			"add neighbour 3000 127.0.0.1:22":  "is not a LAN host",
			"add neighbour 3000-3009 [::1]:22": "is not a LAN host",
			"add nobody 3000":                  "no such client",
			"remove neighbour 2222":            "has no forward of port 2222",
			"remove neighbour":                 "needs the name of a client and a port",
			"neighbour 2222":                   "add or remove?",
		} {
			if out, err := forward(strings.Fields(args)...); err == nil || !strings.Contains(out+err.Error(), want) {
				t.Errorf("forward %s: %q, %v; want %q", args, out, err, want)
			}
		}
	})
	t.Run("both ways at once", func(t *testing.T) {
		// Few connections lie ready, so that both ends want the same ones.
		if err := h.WriteCPE("\toption warm_min '2'\n\toption warm_max '3'\n", redirects); err != nil {
			t.Fatal(err)
		}
		if err := h.ReloadCPE(ctx); err != nil {
			t.Fatal(err)
		}
		ready(t, h)
		f := openFire(t, h)
		each(160, 8, func(i int) {
			if i%2 == 0 {
				if err := f.request(ctx); err != nil {
					t.Error(err)
				}
				return
			}
			c, _, _, err := fromOutside(ctx, h, concentrator+":2222")
			if err != nil {
				t.Errorf("from outside: %v", err)
				return
			}
			c.Close()
		})
		f.judge()
	})
	t.Run("taken away", func(t *testing.T) {
		c, _, _, err := fromOutside(ctx, h, concentrator+":2222")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if out, err := forward("remove", "house", "2222"); err != nil {
			t.Fatalf("%s, %v", out, err)
		}
		eventually(t, 10*time.Second, "the port is closed", func() bool {
			_, _, _, err := fromOutside(ctx, h, concentrator+":2222")
			return errors.Is(err, syscall.ECONNREFUSED)
		})
		// What there is stays.
		if _, err := c.Write([]byte("x")); err != nil {
			t.Error(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Error(err)
		}
		if out, err := forward("add", "house", "2222"); err != nil {
			t.Fatalf("%s, %v", out, err)
		}
		eventually(t, 10*time.Second, "the port is open again", func() bool {
			c, _, _, err := fromOutside(ctx, h, concentrator+":2222")
			if err == nil {
				c.Close()
			}
			return err == nil
		})
	})
}

// TestFromOutsideBulk: a file leaves a LAN host by HTTP over both lines, which
// end in an operator's translator, and goes on when one of them dies. At full
// length it is compared with what the lines carry up one by one.
func TestFromOutsideBulk(t *testing.T) {
	t.Parallel()
	o := sixty()
	o.Spec.Topology = labnet.Inbound
	o.CPESections = redirects
	h := build(t, o)
	ctx := within(t, 3*time.Minute)
	size := int64(20 << 20)
	if *long {
		size = 100 << 20
	}
	if out, err := h.ClientCommand(ctx, "forward", "add", "house", "2222"); err != nil {
		t.Fatalf("%s, %v", out, err)
	}
	l, err := h.Host("lan").Listen("tcp", lanHost4+":22")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go servers.HTTP(l)
	ready(t, h)
	var sum float64 // of the lines, bit/s
	if *long {
		var rates [2]float64
		var errs [2]error
		var wg sync.WaitGroup
		for i, from := range []string{house.Direct4, house.DirectLTE4} {
			wg.Add(1)
			go func() { defer wg.Done(); rates[i], errs[i] = h.UpRate(ctx, from, 15*time.Second, nil) }()
		}
		wg.Wait()
		if err := errors.Join(errs[:]...); err != nil {
			t.Fatal(err)
		}
		sum = rates[0] + rates[1]
	}
	fetch := func(during func(got int64)) time.Duration {
		t.Helper()
		took, err := fetchFromOutside(t, ctx, h, house.Concentrator4+":2222", size, during)
		if err != nil {
			t.Fatal(err)
		}
		return took
	}
	took := fetch(nil)
	t.Logf("counters at the concentrator: %s", strings.Join(strings.Fields(run(t, ctx, h.Host("core"), "nstat", "-asz", "MPTcpExtNoDSSInWindow", "MPTcpExtMPTCPRetrans", "MPTcpExtRcvWndShared", "MPTcpExtOFOQueue", "MPTcpExtMPJoinAckRx")), " "))
	rate := float64(size) * 8 / took.Seconds()
	t.Logf("%d MB in %v: %.1f Mbit/s of 40", size>>20, took.Round(time.Millisecond), rate/1e6)
	if *long {
		t.Logf("%.3f of %.1f Mbit/s, the sum of what the lines carry one by one", rate/sum, sum/1e6)
		if rate < 0.90*sum {
			t.Errorf("%.3f of the sum, want 0.90", rate/sum)
		}
	}
	var once sync.Once
	took = fetch(func(got int64) {
		if got > size/3 {
			once.Do(func() {
				if err := h.Link("dsl").SetDown(true); err != nil {
					t.Error(err)
				}
			})
		}
	})
	t.Logf("with the first line cut after a third: %v", took.Round(time.Millisecond))
}

// fetchFromOutside gets a file of that size by HTTP from the servers' host,
// checks every byte, and returns what the transfer took. The port may not be
// open yet.
func fetchFromOutside(t *testing.T, ctx context.Context, h *house.House, from string, size int64, during func(got int64)) (time.Duration, error) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, ReadBufferSize: 64 << 10,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return h.Host("net").Dial(ctx, network, addr)
		}}}
	var answer *http.Response
	eventually(t, 20*time.Second, "the port is open", func() bool {
		req, err := http.NewRequestWithContext(ctx, "GET", fmt.Sprintf("http://%s/bytes/%d", from, size), nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err = client.Do(req)
		return err == nil
	})
	defer answer.Body.Close()
	defer sayWhySlow(t, ctx, h, time.Duration(float64(size)*8/12e6*float64(time.Second)))() // one line takes 20
	sum, begin := sha256.New(), time.Now()
	for got := int64(0); got < size; {
		n, err := io.CopyN(sum, answer.Body, min(256<<10, size-got))
		if got += n; err != nil {
			return 0, fmt.Errorf("after %d bytes: %w", got, err)
		}
		if during != nil {
			during(got)
		}
	}
	took := time.Since(begin)
	if s := fmt.Sprintf("%x", sum.Sum(nil)); s != servers.Sum(size) {
		return took, fmt.Errorf("sum %s, want %s", s, servers.Sum(size))
	}
	return took, nil
}
