package uplink

import (
	"errors"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// inNamespace runs f in a network namespace of its own, which ends with it.
func inNamespace(t *testing.T, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		defer func() { done <- err }() // also after runtime.Goexit
		if err == nil {
			f()
		}
	}()
	if err := <-done; err != nil {
		t.Fatalf("a network namespace: %v (this test needs root)", err)
	}
}

// What is read is what netlink's own functions say.
func TestDevices(t *testing.T) {
	inNamespace(t, func() {
		a, _ := cable(t, "dsl", "far")
		for _, text := range []string{"192.0.2.1/24", "192.0.2.9/32", "2001:db8::1/64"} {
			add(t, a, text, nil)
		}
		add(t, a, "198.51.100.1/32", &net.IPNet{IP: net.IP{198, 51, 100, 2}, Mask: net.CIDRMask(32, 32)})

		d, err := deviceNamed("dsl")
		if err != nil || d.index != a.Attrs().Index || !hasCarrier(d.flags) {
			t.Errorf("device %+v, %v; want index %d and a carrier", d, err, a.Attrs().Index)
		}
		if _, err := deviceNamed("lte"); !errors.Is(err, unix.ENODEV) {
			t.Errorf("of a device that is not there: %v", err)
		}
		if _, err := deviceNamed("a-name-that-no-device-can-have"); !errors.Is(err, unix.ENODEV) {
			t.Errorf("of a long name: %v", err)
		}
		if _, err := deviceAt(d.index + 100); !errors.Is(err, unix.ENODEV) {
			t.Errorf("of an index that is not there: %v", err)
		}

		want := map[netip.Addr]netlink.Addr{}
		list, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
		if err != nil {
			t.Error(err)
		}
		for _, w := range list {
			if ip, _ := netip.AddrFromSlice(w.IP); !w.IP.IsLinkLocalUnicast() { // those come when they like
				want[ip.Unmap()] = w
			}
		}
		got, err := readAddresses()
		got = slices.DeleteFunc(got, func(a address) bool { return a.ip.IsLinkLocalUnicast() })
		if err != nil || len(got) != len(want) || len(got) < 4 {
			t.Errorf("%d addresses, %v; want %d", len(got), err, len(want))
		}
		for _, g := range got {
			w := want[g.ip.Unmap()]
			ones, _ := w.Mask.Size()
			if g.device != w.LinkIndex || g.length != ones || int(g.scope) != w.Scope || g.flags&^unix.IFA_F_PERMANENT != uint32(w.Flags)&^unix.IFA_F_PERMANENT {
				t.Errorf("%+v, want %+v", g, w)
			}
		}

		again, err := deviceAt(d.index)
		if err != nil || again.index != d.index {
			t.Errorf("device %+v, %v", again, err)
		}
		s := mustLink(t, "dsl").Attrs().Statistics
		late, _ := deviceAt(d.index)
		if late.counters.Up < s.TxBytes || again.counters.Up > s.TxBytes || late.counters.Down < s.RxBytes || again.counters.DownPackets > s.RxPackets {
			t.Errorf("counters %+v, then %+v; want %+v between", again.counters, late.counters, s)
		}
	})
}

// Each kind of change is told.
func TestChanges(t *testing.T) {
	inNamespace(t, func() {
		a, _ := cable(t, "dsl", "far")
		c, err := watchChanges()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.close()
		quiet := func() { // whatever is still told of the cable
			for {
				select {
				case <-c.seen:
				case <-time.After(300 * time.Millisecond):
					return
				}
			}
		}
		for what, change := range map[string]func() error{
			"an IPv4 address": func() error { add(t, a, "192.0.2.1/24", nil); return nil },
			"an IPv6 address": func() error { add(t, a, "2001:db8::1/64", nil); return nil },
			"a device":        func() error { return netlink.LinkSetDown(a) },
		} {
			quiet()
			if err := change(); err != nil {
				t.Errorf("%s: %v", what, err)
				continue
			}
			select {
			case <-c.seen:
			case err := <-c.failed:
				t.Errorf("%s: %v", what, err)
			case <-time.After(20 * time.Second):
				t.Errorf("%s: no word of it", what)
			}
		}
	})
}

func cable(t *testing.T, near, far string) (a, b netlink.Link) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = near
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: far}); err != nil {
		t.Error(err)
		runtime.Goexit()
	}
	a, b = mustLink(t, near), mustLink(t, far)
	for _, l := range []netlink.Link{a, b} {
		if err := netlink.LinkSetUp(l); err != nil {
			t.Error(err)
		}
	}
	return a, b
}

func mustLink(t *testing.T, name string) netlink.Link {
	l, err := netlink.LinkByName(name)
	if err != nil {
		t.Error(err)
		runtime.Goexit()
	}
	return l
}

func add(t *testing.T, l netlink.Link, text string, peer *net.IPNet) {
	addr, err := netlink.ParseAddr(text)
	if err != nil {
		t.Error(err)
		return
	}
	addr.Flags, addr.Peer = unix.IFA_F_NODAD, peer
	if err := netlink.AddrAdd(l, addr); err != nil {
		t.Errorf("address %s: %v", text, err)
	}
}
