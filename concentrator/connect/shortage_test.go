package connect

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tandem/shared/convert"
)

func TestShortage(t *testing.T) {
	n := newNetwork(t)
	port := listen(t, n.there, "0.0.0.0")
	want := func(name string, code convert.Code, err error) {
		t.Helper()
		var e *Error
		if !errors.As(err, &e) || e.Code != code || e.Value != convert.WaitSeconds(wait) {
			t.Errorf("%s: got %v, want Error %d with a wait", name, err, code)
		}
	}

	absent := netip.MustParseAddr("198.51.100.99")
	_, err := n.dial(t, Dialer{Source: absent}, time.Second, dst(server4, port))
	want("source address is not here", convert.NetworkFailure, err)

	n.sysctl(t, n.here, "net/ipv4/ip_local_port_range", "40000 40000")
	for _, d := range []Dialer{{}, {Source: netip.MustParseAddr("198.51.100.1")}} {
		first, err := n.dial(t, d, time.Second, dst(server4, port))
		if err != nil {
			t.Fatal(err)
		}
		_, err = n.dial(t, d, time.Second, dst(server4, port))
		want("out of ports", convert.ResourceExceeded, err)
		// The one port serves another server all the same.
		second := listen(t, n.there, "0.0.0.0")
		other, err := n.dial(t, d, time.Second, dst(server4, second))
		if err != nil {
			t.Errorf("source %v: same port to another server: %v", d.Source, err)
		} else {
			_ = other.Reset()
		}
		_ = first.Reset() // no TIME_WAIT, which would hold the port
	}

	in(t, n.here, func() { // now, while there are descriptors to get there
		defer exhaustDescriptors(t)()
		_, err := new(Dialer).Dial(context.Background(), engine, dst(server4, port))
		want("out of descriptors", convert.ResourceExceeded, err)
	})
}

// exhaustDescriptors uses up all of this process.
func exhaustDescriptors(t *testing.T) (restore func()) {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	low := limit
	low.Cur = uint64(descriptors(t) + 16)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	var taken []int
	for {
		fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			break
		}
		taken = append(taken, fd)
	}
	return func() {
		for _, fd := range taken {
			unix.Close(fd)
		}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			t.Error(err)
		}
	}
}
