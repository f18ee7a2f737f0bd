package mptcp

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Two hosts, a and b, joined by two cables, w1 and w2. On each host a cable
// has the same name at both ends.
var (
	nsA = fmt.Sprintf("tandem-m%d-a", os.Getpid())
	nsB = fmt.Sprintf("tandem-m%d-b", os.Getpid())

	addrA1 = netip.MustParseAddr("192.0.2.1")
	addrB1 = netip.MustParseAddr("192.0.2.2")
	addrA2 = netip.MustParseAddr("198.51.100.1")
	addrB2 = netip.MustParseAddr("198.51.100.2")
	addrN1 = netip.MustParseAddr("192.0.2.9") // on w1, swallows everything
	addr6A = netip.MustParseAddr("2001:db8:1::1")
	addr6B = netip.MustParseAddr("2001:db8:1::2")
	addrU  = netip.MustParseAddr("203.0.113.1") // host a has an unreachable route there
)

const port = 5124

func TestMain(m *testing.M) {
	removeStale()
	code := m.Run()
	removeNamespaces()
	os.Exit(code)
}

// removeStale removes what killed runs have left.
func removeStale() {
	names, _ := filepath.Glob("/run/netns/tandem-m[0-9]*-[ab]")
	for _, name := range names {
		var pid int
		fmt.Sscanf(filepath.Base(name), "tandem-m%d-", &pid)
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err != nil {
			_ = exec.Command("ip", "netns", "del", filepath.Base(name)).Run()
		}
	}
}

func removeNamespaces() {
	for _, ns := range []string{nsA, nsB} {
		_ = exec.Command("ip", "netns", "del", ns).Run()
	}
}

// run runs a command line, its words separated by spaces.
func run(t testing.TB, line string, args ...any) {
	t.Helper()
	words := strings.Fields(fmt.Sprintf(line, args...))
	if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(words, " "), err, out)
	}
}

// newLab builds the two hosts anew.
func newLab(t *testing.T) {
	t.Helper()
	removeNamespaces()
	t.Cleanup(removeNamespaces)
	run(t, "ip netns add %s", nsA)
	run(t, "ip netns add %s", nsB)
	for _, ns := range []string{nsA, nsB} {
		sysctl(t, ns, "net.ipv6.conf.default.accept_dad", "0")
		sysctl(t, ns, "net.ipv6.conf.default.router_solicitations", "0")
	}
	for i, net := range []string{"192.0.2", "198.51.100"} {
		run(t, "ip -n %s link add w%d type veth peer name w%[2]d netns %[3]s", nsA, i+1, nsB)
		run(t, "ip -n %s link set w%d up", nsA, i+1)
		run(t, "ip -n %s link set w%d up", nsB, i+1)
		for host, ns := range []string{nsA, nsB} {
			run(t, "ip -n %s addr add %s.%d/24 dev w%d", ns, net, host+1, i+1)
			run(t, "ip -n %s addr add 2001:db8:%d::%d/64 dev w%[2]d nodad", ns, i+1, host+1)
		}
	}
	run(t, "ip -n %s link set lo up", nsA)
	run(t, "ip -n %s link set lo up", nsB)
	run(t, "ip -n %s neigh add %s lladdr 02:00:00:00:00:09 dev w1", nsA, addrN1)
	run(t, "ip -n %s route add unreachable %s/32", nsA, addrU)
	sysctl(t, nsA, "net.ipv4.tcp_fastopen", "3")
	sysctl(t, nsB, "net.ipv4.tcp_fastopen", "3")
}

func sysctl(t testing.TB, ns, name, value string) {
	t.Helper()
	run(t, "ip netns exec %s sysctl -qw %s=%s", ns, name, value)
}

// nft loads a ruleset on a host.
func nft(t testing.TB, ns, rules string) {
	t.Helper()
	c := exec.Command("ip", "netns", "exec", ns, "nft", "-f", "-")
	c.Stdin = strings.NewReader(rules)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v\n%s", err, out)
	}
}

// on runs f on a thread of the given host.
func on(t testing.TB, ns string, f func() error) {
	t.Helper()
	if err := inNamespace(ns, f); err != nil {
		t.Fatal(err)
	}
}

func inNamespace(ns string, f func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		fd, err := unix.Open("/run/netns/"+ns, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			result <- err
			return
		}
		err = unix.Setns(fd, unix.CLONE_NEWNET)
		unix.Close(fd)
		if err == nil {
			err = f()
		}
		result <- err
	}()
	return <-result
}

func within10s(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// listen opens a listener on host b.
func listen(t testing.TB, lc ListenConfig, addr netip.Addr) *net.TCPListener {
	t.Helper()
	var l *net.TCPListener
	on(t, nsB, func() (err error) {
		l, err = lc.Listen(netip.AddrPortFrom(addr, port))
		return err
	})
	t.Cleanup(func() { l.Close() })
	return l
}

// dial connects from host a.
func dial(t testing.TB, d Dialer, to netip.Addr, first []byte) *net.TCPConn {
	t.Helper()
	var c *net.TCPConn
	on(t, nsA, func() (err error) {
		c, err = d.Dial(within10s(t), netip.AddrPortFrom(to, port), first)
		return err
	})
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}

func accept(t testing.TB, l *net.TCPListener) *net.TCPConn {
	t.Helper()
	_ = l.SetDeadline(time.Now().Add(10 * time.Second))
	c, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}

// listenMPTCP opens the listener for [pair]. It has to stay open: without one,
// the kernel refuses joins.
func listenMPTCP(t testing.TB) *net.TCPListener {
	t.Helper()
	return listen(t, ListenConfig{MPTCP: true}, addrB1)
}

// pair returns an MPTCP connection that is fully established.
func pair(t testing.TB, l *net.TCPListener, d Dialer) (client, server *net.TCPConn) {
	t.Helper()
	client = dial(t, d, addrB1, nil)
	server = accept(t, l)
	exchange(t, client, server)
	return client, server
}

// exchange sends a byte each way, without which there is no second subflow.
func exchange(t testing.TB, client, server *net.TCPConn) {
	t.Helper()
	for _, c := range [][2]*net.TCPConn{{client, server}, {server, client}} {
		if _, err := c[0].Write([]byte{1}); err != nil {
			t.Fatal(err)
		}
		if _, err := c[1].Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
}

// eventually waits for what the kernel does in its own time and tells nobody.
func eventually(t testing.TB, what string, f func() (bool, error)) {
	t.Helper()
	end := time.Now().Add(10 * time.Second)
	for {
		ok, err := f()
		if ok {
			return
		}
		if err != nil || time.Now().After(end) {
			t.Fatalf("%s: not so (%v)", what, err)
		}
		time.Sleep(time.Millisecond)
	}
}

// pathManager returns the path manager of a host.
func pathManager(t testing.TB, ns string) *PathManager {
	t.Helper()
	var pm *PathManager
	on(t, ns, func() (err error) {
		pm, err = Open()
		return err
	})
	t.Cleanup(pm.Close)
	return pm
}

// secondPath lets connections of host a use w2 as well.
func secondPath(t testing.TB, flags Flags) *PathManager {
	t.Helper()
	b := pathManager(t, nsB)
	if err := b.SetLimits(Limits{Subflows: 8}); err != nil {
		t.Fatal(err)
	}
	a := pathManager(t, nsA)
	if err := a.SetLimits(Limits{Subflows: 8}); err != nil {
		t.Fatal(err)
	}
	if err := a.AddEndpoint(Endpoint{Addr: addrA2, IfIndex: deviceIndex(t, nsA, "w2"), Flags: FlagSubflow | flags}); err != nil {
		t.Fatal(err)
	}
	return a
}

// deviceIndex returns the index of a device on a host.
func deviceIndex(t testing.TB, ns, name string) (index int) {
	t.Helper()
	on(t, ns, func() error {
		ifi, err := net.InterfaceByName(name)
		if err == nil {
			index = ifi.Index
		}
		return err
	})
	return index
}

func hasExtraSubflow(c *net.TCPConn) func() (bool, error) {
	return func() (bool, error) {
		info, err := Inspect(c)
		return info.ExtraSubflows == 1, err
	}
}

func descriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func intOption(c syscall.Conn, level, option int) (value int, err error) {
	err = control(c, func(fd uintptr) error {
		value, err = unix.GetsockoptInt(int(fd), level, option)
		return err
	})
	return value, err
}

// nftCounter returns the packets of a counter of table watch.
func nftCounter(t testing.TB, ns, name string) string {
	t.Helper()
	out, err := exec.Command("ip", "netns", "exec", ns, "nft", "list", "counter", "inet", "watch", name).CombinedOutput()
	if err != nil {
		t.Fatalf("nft: %v\n%s", err, out)
	}
	_, rest, _ := strings.Cut(string(out), "packets ")
	packets, _, _ := strings.Cut(rest, " ")
	return packets
}
