package bindlog

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// newNamespace makes a namespace with an address of ours, four servers' and a
// network that swallows everything, and few local ports.
func newNamespace(tb testing.TB, ports string) string {
	tb.Helper()
	ns := fmt.Sprintf("tandem-b%d", os.Getpid())
	run := func(line string) {
		tb.Helper()
		fields := strings.Fields(line)
		if out, err := exec.Command(fields[0], fields[1:]...).CombinedOutput(); err != nil {
			tb.Fatalf("%s: %v: %s", line, err, out)
		}
	}
	tb.Cleanup(func() { _ = exec.Command("ip", "netns", "del", ns).Run() })
	run("ip netns add " + ns)
	run("ip -n " + ns + " link set lo up")
	for _, a := range []string{"192.0.2.1/32", "203.0.113.1/32", "203.0.113.2/32", "203.0.113.3/32", "203.0.113.4/32"} {
		run("ip -n " + ns + " addr add " + a + " dev lo")
	}
	for i := 1; i <= 4; i++ { // dialled from 192.0.2.1, not from themselves
		run(fmt.Sprintf("ip -n %s route replace local 203.0.113.%d dev lo src 192.0.2.1 table local", ns, i))
	}
	for _, a := range []string{"2001:db8::1/128", "2001:db8:d::1/128"} {
		run("ip -n " + ns + " addr add " + a + " dev lo nodad")
	}
	run("ip -n " + ns + " link add void type veth peer name drain")
	run("ip -n " + ns + " link set void arp off up")
	run("ip -n " + ns + " route add 198.51.100.0/24 dev void")
	in(tb, ns, func() {
		if err := os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte(ports), 0o644); err != nil {
			tb.Fatal(err)
		}
	})
	return ns
}

// in runs f in a namespace. Sockets that f opens stay there.
func in(tb testing.TB, ns string, f func()) {
	tb.Helper()
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		tb.Fatal(err)
	}
	defer home.Close()
	away, err := os.Open("/var/run/netns/" + ns)
	if err != nil {
		tb.Fatal(err)
	}
	defer away.Close()
	if err := unix.Setns(int(away.Fd()), unix.CLONE_NEWNET); err != nil {
		tb.Fatal(err)
	}
	defer func() {
		if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
			panic(err) // the thread is of no use any more
		}
		runtime.UnlockOSThread()
	}()
	f()
}
