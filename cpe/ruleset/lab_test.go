package ruleset

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A network for one test, in three namespaces:
//
//	lan ─────────────── router ─────────────── server
//	192.0.2.2, .3       .1 lan0   wan0 .1      203.0.113.2
//	2001:db8:1::2, ::3  ::1            ::1     2001:db8:2::2
const (
	lanMAC    = "02:00:5e:00:53:02"
	server4   = "203.0.113.2"
	server6   = "2001:db8:2::2"
	otherHost = "192.0.2.3"
)

type network struct {
	prefix string
}

var networks int // of this process; tests here do not run in parallel

func newNetwork(t *testing.T) *network {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test needs root")
	}
	networks++
	n := &network{prefix: fmt.Sprintf("tandem-r%d-%d-", os.Getpid(), networks)}
	for _, host := range []string{"lan", "router", "server"} {
		run(t, "ip", "netns", "add", n.prefix+host)
		t.Cleanup(func() { run(t, "ip", "netns", "del", n.prefix+host) })
		n.ip(t, host, "link set lo up")
		// Without it, the first second is spent on link-local addresses.
		n.sysctl(t, host, "net/ipv6/conf/all/accept_dad", "0")
		n.sysctl(t, host, "net/ipv6/conf/default/accept_dad", "0")
	}
	n.ip(t, "lan", "link add eth0 address "+lanMAC+" type veth peer name lan0 netns "+n.prefix+"router")
	n.ip(t, "router", "link add wan0 type veth peer name eth0 netns "+n.prefix+"server")
	for _, a := range []struct{ host, device, addresses string }{
		{"lan", "eth0", "192.0.2.2/24 192.0.2.3/24 2001:db8:1::2/64 2001:db8:1::3/64"},
		{"router", "lan0", "192.0.2.1/24 2001:db8:1::1/64"},
		{"router", "wan0", "203.0.113.1/24 2001:db8:2::1/64"},
		{"server", "eth0", "203.0.113.2/24 2001:db8:2::2/64"},
	} {
		for _, address := range strings.Fields(a.addresses) {
			command := "addr add " + address + " dev " + a.device
			if strings.Contains(address, ":") {
				command += " nodad"
			}
			n.ip(t, a.host, command)
		}
		n.ip(t, a.host, "link set "+a.device+" up")
	}
	for host, gateway := range map[string][2]string{"lan": {"192.0.2.1", "2001:db8:1::1"}, "server": {"203.0.113.1", "2001:db8:2::1"}} {
		n.ip(t, host, "route add default via "+gateway[0])
		n.ip(t, host, "-6 route add default via "+gateway[1])
	}
	n.sysctl(t, "router", "net/ipv4/ip_forward", "1")
	n.sysctl(t, "router", "net/ipv6/conf/all/forwarding", "1")
	// Neighbours must be known before packets are counted: a closed port says
	// that the way there and back works.
	for _, dst := range []string{server4 + ":9", "[" + server6 + "]:9"} {
		n.in(t, "lan", func() error {
			if c, err := n.dial("", dst); !errors.Is(err, unix.ECONNREFUSED) {
				return fmt.Errorf("connect to closed port %s: got %v, %v, want refused", dst, c, err)
			}
			return nil
		})
	}
	return n
}

func run(t *testing.T, command ...string) string {
	t.Helper()
	out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v: %s", command, err, out)
	}
	return string(out)
}

func (n *network) ip(t *testing.T, host, command string) string {
	t.Helper()
	return run(t, append([]string{"ip", "-n", n.prefix + host}, strings.Fields(command)...)...)
}

func (n *network) sysctl(t *testing.T, host, key, value string) {
	t.Helper()
	n.in(t, host, func() error { return os.WriteFile("/proc/sys/"+key, []byte(value), 0) })
}

// in is enter for steps without which the test makes no sense.
func (n *network) in(t *testing.T, host string, f func() error) {
	t.Helper()
	if err := n.enter(host, f); err != nil {
		t.Fatal(err)
	}
}

// enter runs f on a thread inside a host's namespace. Sockets and programs that
// f starts stay there; the thread ends with f.
func (n *network) enter(host string, f func() error) error {
	done := make(chan error)
	go func() {
		done <- func() error {
			runtime.LockOSThread() // and never unlock: the runtime then ends the thread
			ns, err := os.Open("/run/netns/" + n.prefix + host)
			if err != nil {
				return err
			}
			defer ns.Close()
			if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("enter %q: %w", host, err)
			}
			return f()
		}()
	}()
	return <-done
}

// apply installs a ruleset in the router.
func (n *network) apply(t *testing.T, text string) {
	t.Helper()
	n.in(t, "router", func() error { return NFT{}.Apply(context.Background(), text) })
}

func (n *network) counters(t *testing.T) (c Counters) {
	t.Helper()
	n.in(t, "router", func() (err error) {
		c, err = NFT{}.Counters(context.Background())
		return err
	})
	return c
}

// serve answers on the server host. Each line gets one back: who took the
// connection and where the client meant it to go.
func (n *network) serve(t *testing.T, port int) {
	t.Helper()
	n.in(t, "server", func() error {
		l, err := net.Listen("tcp", fmt.Sprintf("[::]:%d", port))
		if err != nil {
			return err
		}
		t.Cleanup(func() { l.Close() })
		go answer(l, "server")
		return nil
	})
}

// intercept opens the transparent listener in the router.
func (n *network) intercept(t *testing.T) net.Listener {
	t.Helper()
	var l net.Listener
	n.in(t, "router", func() (err error) {
		if l, err = listenTransparent(); err != nil {
			return err
		}
		t.Cleanup(func() { l.Close() })
		go answer(l, "proxy")
		return nil
	})
	return l
}

func listenTransparent() (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			failed = errors.Join(
				unix.SetsockoptInt(int(fd), unix.SOL_IPV6, unix.IPV6_TRANSPARENT, 1),
				unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, MarkOwn))
		})
		if err != nil {
			return err
		}
		return failed
	}}
	config.SetMultipathTCP(false)
	return config.Listen(context.Background(), "tcp", "[::]:5125")
}

func answer(l net.Listener, who string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			lines := bufio.NewScanner(c)
			for lines.Scan() {
				to := netip.MustParseAddrPort(c.LocalAddr().String())
				if _, err := fmt.Fprintln(c, who, netip.AddrPortFrom(to.Addr().Unmap(), to.Port())); err != nil {
					return
				}
			}
		}()
	}
}

// dial connects from the LAN host, from the address src if that is not empty.
func (n *network) dial(src, dst string) (net.Conn, error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	if src != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(src)}
	}
	d.SetMultipathTCP(false)
	c, err := d.Dial("tcp", dst)
	if err == nil {
		err = c.SetDeadline(time.Now().Add(10 * time.Second))
	}
	return c, err
}

// ask sends one line and returns the answer.
func ask(c net.Conn) (string, error) {
	if _, err := io.WriteString(c, "hello\n"); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	return strings.TrimSpace(line), err
}

// want connects from the LAN host and compares who answers.
func (n *network) want(t *testing.T, src, dst, want string) {
	t.Helper()
	n.in(t, "lan", func() error {
		c, err := n.dial(src, dst)
		if err != nil {
			t.Errorf("connect to %s: %v, want %q", dst, err, want)
			return nil
		}
		defer c.Close()
		if got, err := ask(c); err != nil || got != want+" "+dst && got != want+" "+unbracketed(dst) {
			t.Errorf("connect to %s: got %q, %v, want %q", dst, got, err, want)
		}
		return nil
	})
}

func unbracketed(dst string) string { return netip.MustParseAddrPort(dst).String() }
