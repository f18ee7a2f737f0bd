package connect

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// network is three namespaces in a row:
//
//	here 198.51.100.1 ── .2 router 203.0.113.2 ── .10 there
//	  2001:db8:c::1 ── ::2 router 2001:db8:d::2 ── ::10
type network struct{ here, router, there string }

func newNetwork(t *testing.T) network {
	t.Helper()
	base := fmt.Sprintf("tandem-c%d-", os.Getpid())
	n := network{base + "h", base + "r", base + "t"}
	for _, ns := range []string{n.here, n.router, n.there} {
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", ns).Run() })
		command(t, "", "ip", "netns", "add", ns)
		command(t, "", "ip", "-n", ns, "link", "set", "lo", "up")
	}
	for _, line := range []string{
		"ip -n H link add hr type veth peer name rh netns R",
		"ip -n R link add rt type veth peer name tr netns T",
		"ip -n H addr add 198.51.100.1/24 dev hr", "ip -n R addr add 198.51.100.2/24 dev rh",
		"ip -n R addr add 203.0.113.2/24 dev rt", "ip -n T addr add 203.0.113.10/24 dev tr",
		"ip -n H addr add 2001:db8:c::1/64 dev hr nodad", "ip -n R addr add 2001:db8:c::2/64 dev rh nodad",
		"ip -n R addr add 2001:db8:d::2/64 dev rt nodad", "ip -n T addr add 2001:db8:d::10/64 dev tr nodad",
		"ip -n H link set hr up", "ip -n R link set rh up", "ip -n R link set rt up", "ip -n T link set tr up",
		"ip -n H route add default via 198.51.100.2", "ip -n H route add default via 2001:db8:c::2",
		"ip -n T route add default via 203.0.113.2", "ip -n T route add default via 2001:db8:d::2",
	} {
		fields := strings.Fields(line)
		for i, f := range fields {
			switch f {
			case "H":
				fields[i] = n.here
			case "R":
				fields[i] = n.router
			case "T":
				fields[i] = n.there
			}
		}
		command(t, "", fields[0], fields[1:]...)
	}
	n.sysctl(t, n.router, "net/ipv4/ip_forward", "1")
	n.sysctl(t, n.router, "net/ipv6/conf/all/forwarding", "1")
	n.sysctl(t, n.router, "net/ipv4/icmp_ratelimit", "0")
	n.sysctl(t, n.router, "net/ipv6/icmp/ratelimit", "0")
	// Neighbours that are not there: known after 3 x 50 ms instead of 3 s.
	n.sysctl(t, n.router, "net/ipv4/neigh/rt/retrans_time_ms", "50")
	n.sysctl(t, n.router, "net/ipv6/neigh/rt/retrans_time_ms", "50")
	n.sysctl(t, n.here, "net/ipv4/neigh/hr/retrans_time_ms", "50")
	n.sysctl(t, n.here, "net/ipv6/neigh/hr/retrans_time_ms", "50")
	// IPv6 takes a new link for down until the kernel has looked at it, within
	// a second.
	for deadline := time.Now().Add(20 * time.Second); ; {
		c, err := n.dial(t, Dialer{}, time.Second, dst(server6, 1))
		if errors.Is(err, unix.ECONNREFUSED) {
			return n
		}
		if time.Now().After(deadline) {
			t.Fatalf("network does not come up: %v, %v", c, err)
		}
	}
}

func (n network) sysctl(t *testing.T, ns, key, value string) {
	t.Helper()
	in(t, ns, func() {
		if err := os.WriteFile("/proc/sys/"+key, []byte(value), 0o644); err != nil {
			t.Fatal(err)
		}
	})
}

// ip runs an ip command in a namespace.
func (n network) ip(t *testing.T, ns, args string) {
	t.Helper()
	command(t, "", "ip", append([]string{"-n", ns}, strings.Fields(args)...)...)
}

// nft loads a ruleset in a namespace.
func (n network) nft(t *testing.T, ns, rules string) {
	t.Helper()
	command(t, rules, "ip", "netns", "exec", ns, "nft", "-f", "-")
}

func command(t *testing.T, stdin, name string, args ...string) {
	t.Helper()
	c := exec.Command(name, args...)
	c.Stdin = strings.NewReader(stdin)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}

// in runs f in a namespace. Sockets that f opens stay there.
func in(t *testing.T, ns string, f func()) {
	t.Helper()
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	away, err := os.Open("/var/run/netns/" + ns)
	if err != nil {
		t.Fatal(err)
	}
	defer away.Close()
	if err := unix.Setns(int(away.Fd()), unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
			panic(err) // the thread is of no use any more
		}
		runtime.UnlockOSThread()
	}()
	f()
}
