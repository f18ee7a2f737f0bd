package bindlog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// dial returns what a dialer does with a port.
func dial(from netip.Addr, dst netip.AddrPort, timeout time.Duration) func(uint16) (*net.TCPConn, error) {
	return func(port uint16) (*net.TCPConn, error) {
		d := net.Dialer{Timeout: timeout, Control: func(_, _ string, c syscall.RawConn) error {
			var err error
			if cerr := c.Control(func(fd uintptr) {
				err = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
				if err == nil && port != 0 {
					err = SetPort(int(fd), port)
				}
			}); cerr != nil {
				return cerr
			}
			return err
		}}
		d.SetMultipathTCP(false)
		if from.IsValid() {
			d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
		}
		c, err := d.Dial("tcp", dst.String())
		if err != nil {
			return nil, err
		}
		return c.(*net.TCPConn), nil
	}
}

// dialBy is Dial for a connection of package net.
func dialBy(b *Book, client string, from netip.Addr, dst netip.AddrPort, dial func(uint16) (*net.TCPConn, error)) (c *net.TCPConn, binding *Binding, err error) {
	binding, err = b.Dial(client, from, dst, func(port uint16) (local netip.AddrPort, err error) {
		if c, err = dial(port); err != nil {
			return local, err
		}
		local = c.LocalAddr().(*net.TCPAddr).AddrPort()
		return netip.AddrPortFrom(local.Addr().Unmap(), local.Port()), nil
	})
	return c, binding, err
}

// seen is what a server knows.
type seen struct {
	client   string
	external netip.AddrPort
	at       time.Time
}

// servers accept in ns, take a line, the client's name, note it, answer and
// hang up first.
func servers(t *testing.T, ns string, addrs ...string) (note func() []seen) {
	t.Helper()
	var mu sync.Mutex
	var all []seen
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait) // runs last
	for _, a := range addrs {
		var l net.Listener
		in(t, ns, func() {
			var err error
			if l, err = net.Listen("tcp", a); err != nil {
				t.Fatal(err)
			}
		})
		t.Cleanup(func() { l.Close() })
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				wg.Add(1)
				go func() {
					defer wg.Done()
					defer c.Close()
					_ = c.SetDeadline(time.Now().Add(20 * time.Second)) // a failed test ends too
					name, _ := io.ReadAll(io.LimitReader(c, 1))
					mu.Lock()
					all = append(all, seen{string(name), c.RemoteAddr().(*net.TCPAddr).AddrPort(), time.Now()})
					mu.Unlock()
				}()
			}
		}()
	}
	return func() []seen {
		mu.Lock()
		defer mu.Unlock()
		return all
	}
}

// line is a record as it stands in the log.
type line struct {
	Msg, Client string
	External    netip.AddrPort
	Start, End  time.Time
}

func parse(t *testing.T, log string) (all []line) {
	t.Helper()
	for text := range strings.Lines(log) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil || l.Msg != "binding" {
			t.Fatalf("%s: %v", text, err)
		}
		all = append(all, l)
	}
	return all
}

// syncBuffer may be written to from many goroutines.
type syncBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

// 1,000 flows of 3 clients over 100 ports: for each address, port and second
// the log names exactly one client, the one that the server met, and no
// destination.
func TestEachPortLeadsToOneClient(t *testing.T) {
	ns := newNamespace(t, "40000 40099")
	dsts := []string{"203.0.113.1:80", "203.0.113.2:80", "203.0.113.3:443", "203.0.113.4:443"}
	note := servers(t, ns, dsts...)
	for _, from := range []netip.Addr{netip.MustParseAddr("192.0.2.1"), {}} {
		t.Run(fmt.Sprint("from ", from), func(t *testing.T) {
			before := len(note())
			var out syncBuffer
			book := &Book{Log: Slog{slog.New(slog.NewJSONHandler(&out, nil))}}
			in(t, ns, func() {
				r, err := LocalRange()
				if err != nil {
					t.Fatal(err)
				}
				book.Ports = NewPorts(r, nil)
			})
			var wg sync.WaitGroup
			const workers, flows = 10, 100
			for w := range workers {
				wg.Add(1)
				go func() {
					defer wg.Done()
					name := string("abc"[w%3])
					in(t, ns, func() {
						type open struct {
							conn    *net.TCPConn
							binding *Binding
						}
						var held []open
						for i := range flows {
							dst := netip.MustParseAddrPort(dsts[(w+i/8)%4])
							c, b, err := dialBy(book, name, from, dst, dial(from, dst, 5*time.Second))
							if err != nil {
								t.Error(err)
								break
							}
							if b.External() != c.LocalAddr().(*net.TCPAddr).AddrPort() || b.External().Port()/100 != 400 {
								t.Errorf("external %s, is %s", b.External(), c.LocalAddr())
							}
							if _, err := io.WriteString(c, name); err != nil {
								t.Error(err)
							}
							held = append(held, open{c, b})
							if len(held) >= 1+i%7 || i == flows-1 { // some live longer than others
								for _, h := range held {
									_, _ = io.Copy(io.Discard, h.conn)
									h.conn.Close()
									h.binding.End()
									h.binding.End()
								}
								held = nil
							}
						}
						for _, h := range held {
							h.conn.Close()
							h.binding.End()
						}
					})
				}()
			}
			wg.Wait()
			log := parse(t, out.String())
			if len(log) != workers*flows {
				t.Errorf("%d records of %d flows", len(log), workers*flows)
			}
			type second struct {
				external netip.AddrPort
				at       int64
			}
			who := make(map[second]string)
			for _, l := range log {
				for s := l.Start.Unix(); s <= l.End.Unix(); s++ {
					k := second{l.External, s}
					if other := who[k]; other != "" && other != l.Client {
						t.Errorf("%v leads to %s and %s", k, other, l.Client)
					}
					who[k] = l.Client
				}
			}
			met := note()[before:]
			if len(met) != workers*flows {
				t.Errorf("servers met %d flows", len(met))
			}
			for _, s := range met {
				if got := who[second{s.external, s.at.Unix()}]; got != s.client {
					t.Errorf("%s at %s was %q, the log says %q", s.external, s.at, s.client, got)
				}
			}
			for _, dst := range dsts {
				if host, _, _ := strings.Cut(dst, ":"); strings.Contains(out.String(), host) {
					t.Errorf("destination %s is in the log", host)
				}
			}
			t.Logf("%d flows, %d bytes of log a flow", len(log), out.Len()/len(log))
		})
	}
}

// What fails, and IPv6.
func TestDial(t *testing.T) {
	ns := newNamespace(t, "40000 40003")
	servers(t, ns, "203.0.113.1:80", "203.0.113.2:80", "[2001:db8:d::1]:80")
	from := netip.MustParseAddr("192.0.2.1")
	server := netip.MustParseAddrPort("203.0.113.1:80")
	fresh := func(destinations bool) (*Book, *syncBuffer) {
		out := new(syncBuffer)
		b := &Book{Ports: NewPorts(Range{Low: 40000, High: 40003}, nil), Log: Slog{slog.New(slog.NewJSONHandler(out, nil))}, Destinations: destinations}
		return b, out
	}
	idle := func(b *Book) {
		t.Helper()
		for a, p := range b.Ports.(*Ports).addresses.all() {
			for _, h := range p.holders {
				if h.busy != (list{}) {
					t.Errorf("ports of %s at %s are still in use", h.client, a)
				}
			}
		}
	}

	t.Run("refused", func(t *testing.T) {
		b, out := fresh(true)
		dst := netip.MustParseAddrPort("203.0.113.1:81")
		in(t, ns, func() {
			if _, _, err := dialBy(b, "a", from, dst, dial(from, dst, time.Second)); !errors.Is(err, unix.ECONNREFUSED) {
				t.Error(err)
			}
		})
		idle(b)
		if log := parse(t, out.String()); len(log) != 1 || log[0].External.Addr() != from || !strings.Contains(out.String(), `"destination":"203.0.113.1:81"`) {
			t.Errorf("log %s", out)
		}
	})
	t.Run("address not here", func(t *testing.T) {
		b, out := fresh(false)
		calls := 0
		away := netip.MustParseAddr("192.0.2.99")
		in(t, ns, func() {
			_, _, err := dialBy(b, "a", away, server, func(port uint16) (*net.TCPConn, error) {
				calls++
				return dial(away, server, time.Second)(port)
			})
			if !errors.Is(err, unix.EADDRNOTAVAIL) || calls != 1 {
				t.Errorf("%v after %d calls", err, calls)
			}
		})
		idle(b)
		if out.Len() > 0 {
			t.Errorf("log %s", out)
		}
	})
	t.Run("port in use by another program", func(t *testing.T) {
		b, _ := fresh(false)
		in(t, ns, func() {
			other, err := dial(from, server, time.Second)(40002) // to the same server
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			for i := range 3 {
				c, binding, err := dialBy(b, "a", from, server, dial(from, server, time.Second))
				if err != nil || binding.External().Port() == 40002 {
					t.Fatalf("flow %d: %v", i, err)
				}
				defer binding.End()
				defer c.Close()
			}
			_, _, err = dialBy(b, "a", from, server, dial(from, server, time.Second))
			if !errors.Is(err, unix.EADDRNOTAVAIL) {
				t.Errorf("all ports are in use: %v", err)
			}
		})
	})
	t.Run("all ports are others'", func(t *testing.T) {
		b, _ := fresh(false)
		for port := uint16(40000); port <= 40003; port++ {
			b.Ports.(*Ports).Claim("b", netip.AddrPortFrom(from, port))
		}
		_, _, err := dialBy(b, "a", from, server, func(uint16) (*net.TCPConn, error) { t.Error("dialled"); return nil, os.ErrInvalid })
		if !errors.Is(err, ErrNoPort) {
			t.Error(err)
		}
	})
	t.Run("ipv6", func(t *testing.T) {
		dst := netip.MustParseAddrPort("[2001:db8:d::1]:80")
		for _, from := range []netip.Addr{netip.MustParseAddr("2001:db8::1"), {}} {
			b, out := fresh(false)
			in(t, ns, func() {
				c, binding, err := dialBy(b, "a", from, dst, dial(from, dst, time.Second))
				if err != nil {
					t.Fatal(err)
				}
				if who, inUse, ok := b.Ports.Who(binding.External()); who != "a" || !inUse || !ok {
					t.Errorf("who: %q %v %v", who, inUse, ok)
				}
				c.Close()
				binding.End()
			})
			if log := parse(t, out.String()); len(log) != 1 || !log[0].External.Addr().Is6() || log[0].External.Port()/10 != 4000 {
				t.Errorf("log %s", out)
			}
			idle(b)
		}
	})
	t.Run("switched off", func(t *testing.T) {
		server := netip.MustParseAddrPort("203.0.113.2:80") // the other one's ports are in TIME_WAIT
		for _, b := range []*Book{nil, {}, {Log: Slog{slog.New(slog.NewTextHandler(io.Discard, nil))}}} {
			in(t, ns, func() {
				c, binding, err := dialBy(b, "a", from, server, dial(from, server, time.Second))
				if err != nil {
					t.Fatal(err)
				}
				binding.End()
				c.Close()
			})
		}
	})
}

// What each way to choose a port costs, in socket, connect and close; SYNs go
// to a network that swallows them.
func BenchmarkConnect(b *testing.B) {
	ns := newNamespace(b, "1024 65535")
	ports := NewPorts(Range{Low: 1024, High: 65535}, nil)
	addr := unix.SockaddrInet4{Addr: [4]byte{192, 0, 2, 1}}
	check := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	pick := func() uint16 {
		p, ok := ports.Pick("a", here)
		if !ok {
			b.Fatal("no port")
		}
		return p
	}
	for _, way := range []struct {
		name    string
		prepare func(fd int, port uint16)
	}{
		{"kernel chooses", func(fd int, _ uint16) {
			check(unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1))
			check(unix.Bind(fd, &addr))
		}},
		{"bind", func(fd int, port uint16) {
			check(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
			check(unix.Bind(fd, &unix.SockaddrInet4{Addr: addr.Addr, Port: int(port)}))
		}},
		{"range of one", func(fd int, port uint16) {
			check(unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1))
			check(unix.Bind(fd, &addr))
			check(SetPort(fd, port))
		}},
	} {
		b.Run(way.name, func(b *testing.B) {
			in(b, ns, func() {
				for i := 0; b.Loop(); i++ {
					port := pick()
					fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
					check(err)
					way.prepare(fd, port)
					err = unix.Connect(fd, &unix.SockaddrInet4{Addr: [4]byte{198, 51, 100, byte(i%250 + 1)}, Port: 80})
					if err != unix.EINPROGRESS {
						b.Fatal(err)
					}
					unix.Close(fd)
					ports.Release("a", at(port))
				}
			})
		})
	}
}

// BenchmarkSlog is what one record costs, written to where journald would be.
func BenchmarkSlog(b *testing.B) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer null.Close()
	log := Slog{slog.New(slog.NewTextHandler(null, nil))}
	r := Record{Client: "home", External: at(40000), Start: time.Now(), End: time.Now()}
	b.ReportAllocs()
	for b.Loop() {
		log.Record(r)
	}
}
