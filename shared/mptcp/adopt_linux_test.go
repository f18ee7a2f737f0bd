package mptcp

import (
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// passed is a listening socket as a service manager hands it over: bound,
// listening, none of our options on it.
func passed(t *testing.T, lc ListenConfig) *os.File {
	t.Helper()
	l := listen(t, lc, netip.IPv4Unspecified())
	defer l.Close()
	f, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestAdopt(t *testing.T) {
	newLab(t)
	f := passed(t, ListenConfig{MPTCP: true})
	l, err := (&ListenConfig{MPTCP: true, FastOpen: 55, NoCookie: true, ReceiveBuffer: 4 << 20, Mark: 7}).Adopt(f)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f.Close()
	for name, o := range map[string]struct{ level, option, want int }{
		"SO_PROTOCOL":            {unix.SOL_SOCKET, unix.SO_PROTOCOL, unix.IPPROTO_MPTCP},
		"SO_MARK":                {unix.SOL_SOCKET, unix.SO_MARK, 7},
		"SO_RCVBUF":              {unix.SOL_SOCKET, unix.SO_RCVBUF, 8 << 20},
		"TCP_FASTOPEN":           {unix.IPPROTO_TCP, unix.TCP_FASTOPEN, 55},
		"TCP_FASTOPEN_NO_COOKIE": {unix.IPPROTO_TCP, unix.TCP_FASTOPEN_NO_COOKIE, 1},
	} {
		if got, err := intOption(l, o.level, o.option); got != o.want || err != nil {
			t.Errorf("%s = %d, %v; want %d", name, got, err, o.want)
		}
	}
	// Data in the very first SYN is taken, and what is accepted is MPTCP.
	var client *net.TCPConn
	to := netip.AddrPortFrom(addrB1, uint16(l.Addr().(*net.TCPAddr).Port))
	on(t, nsA, func() (err error) {
		client, err = (&Dialer{SynData: true}).Dial(within10s(t), to, []byte("hello"))
		return err
	})
	defer client.Close()
	server := accept(t, l)
	if acked, err := SynDataAcked(client); !acked || err != nil {
		t.Errorf("SYN data acknowledged: %v, %v", acked, err)
	}
	if is, err := IsMPTCP(server); !is || err != nil {
		t.Errorf("accepted connection is MPTCP: %v, %v", is, err)
	}
}

// Without privileges, what is set already is left alone.
func TestAdoptWhatIsSet(t *testing.T) {
	newLab(t)
	lc := ListenConfig{MPTCP: true, Mark: 9, ReceiveBuffer: 1 << 20}
	f := passed(t, lc)
	lc.FastOpen = 5
	done := make(chan error)
	go func() {
		// A thread of its own, which ends with the goroutine and is not unlocked.
		done <- withoutCapabilities(func() error {
			l, err := lc.Adopt(f)
			if err == nil {
				l.Close()
			}
			return err
		})
	}()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestAdoptRefuses(t *testing.T) {
	newLab(t)
	lc := ListenConfig{MPTCP: true}
	if _, err := lc.Adopt(passed(t, ListenConfig{})); err == nil || !strings.Contains(err.Error(), "SocketProtocol=mptcp") {
		t.Errorf("plain TCP socket: %v", err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_MPTCP)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "idle")
	defer f.Close()
	if _, err := lc.Adopt(f); err == nil || !strings.Contains(err.Error(), "does not listen") {
		t.Errorf("socket that does not listen: %v", err)
	}
	text, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer text.Close()
	if _, err := lc.Adopt(text); err == nil {
		t.Error("adopted a file")
	}
}

// withoutCapabilities runs f on a thread that has none, for the rest of its
// life.
func withoutCapabilities(f func() error) error {
	runtime.LockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return err
	}
	return f()
}
