package labnet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestTopologies connects through each topology without Tandem and looks whom
// the server sees.
func TestTopologies(t *testing.T) {
	dsl, _ := WANAddr("dsl")
	for _, tt := range []struct {
		topology Topology
		sees     Dual
		callable Dual // from the servers' host, what of the home can be called
	}{
		{Translated, dsl, dsl},
		{Preserve, LAN(0), LAN(0)},
		{Inbound, Translator(), Dual{}},
	} {
		t.Run("topology="+string(tt.topology), func(t *testing.T) {
			l := up(t, Spec{PlainWANs: true, Topology: tt.topology})
			for _, family := range []struct{ server, sees, callable, home netip.Addr }{
				{Server(0).V4, tt.sees.V4, tt.callable.V4, dsl.V4},
				{Server(0).V6, tt.sees.V6, tt.callable.V6, dsl.V6},
			} {
				if saw, err := callerSeen(l, "lan", "net", family.server); err != nil || !same(saw, family.sees) {
					t.Errorf("%s sees %v, %v; want %v", family.server, saw, err, family.sees)
				}
				if to := family.callable; to.IsValid() {
					at := "cpe"
					if tt.topology == Preserve {
						at = "lan"
					}
					if saw, err := callerSeen(l, "net", at, to); err != nil || !same(saw, family.server) {
						t.Errorf("%s sees %v, %v; want %v", to, saw, err, family.server)
					}
				} else if _, err := callerSeen(l, "net", "cpe", family.home); !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, unix.EHOSTUNREACH) && !errors.Is(err, unix.ENETUNREACH) {
					t.Errorf("%s can be called from outside: %v", family.home, err)
				}
			}
		})
	}
}

// callerSeen connects from one host to an address of another and returns the
// address that this one sees.
func callerSeen(l *Lab, from, at string, to netip.Addr) (saw netip.Addr, err error) {
	listener, err := l.Host(at).Listen("tcp", netip.AddrPortFrom(to, 7777).String())
	if err != nil {
		return saw, err
	}
	defer listener.Close()
	go func() {
		if c, err := listener.Accept(); err == nil {
			fmt.Fprint(c, c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap())
			c.Close()
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c, err := l.Host(from).Dial(ctx, "tcp", netip.AddrPortFrom(to, 7777).String())
	if ctx.Err() != nil {
		return saw, os.ErrDeadlineExceeded
	}
	if err != nil {
		return saw, err
	}
	defer c.Close()
	text, err := io.ReadAll(c)
	if err != nil {
		return saw, err
	}
	return netip.ParseAddr(string(text))
}

// same tells whether a is b, or the other one of a host's addresses that it
// calls from in IPv6.
func same(a, b netip.Addr) bool {
	return a == b || a.Is6() && b.Is6() && netip.PrefixFrom(b, 64).Masked().Contains(a)
}
