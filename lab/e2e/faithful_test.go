package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tandem/lab/house"
)

const faithful = "\toption accept 'faithful'\n"

// Ports of the servers' host at which something on the way there answers for it.
const (
	unreachablePort = 8998
	silentPort      = 8997
)

// faithfulHouse holds SYNs until servers have answered.
func faithfulHouse(t *testing.T) *house.House {
	t.Helper()
	o := sixty()
	o.CPE = faithful
	h := build(t, o)
	run(t, within(t, 10*time.Second), h.Host("net"), "nft", fmt.Sprintf(`add table inet tandem-test
add chain inet tandem-test in { type filter hook input priority 0; }
add rule inet tandem-test in meta nfproto ipv4 tcp dport %d reject with icmp type host-unreachable
add rule inet tandem-test in meta nfproto ipv6 tcp dport %[1]d reject with icmpv6 type addr-unreachable
add rule inet tandem-test in tcp dport %d drop`, unreachablePort, silentPort))
	ready(t, h)
	return h
}

// TestFaithful: connect() sees what it would without Tandem, the first time,
// and as soon.
func TestFaithful(t *testing.T) {
	t.Parallel()
	h := faithfulHouse(t)
	ctx := within(t, time.Minute)
	connect := func(source, addr string, port int) (time.Duration, error) {
		begin := time.Now()
		c, err := h.DialFrom(ctx, source, addr, port)
		if err == nil {
			defer c.Close()
		}
		return time.Since(begin), err
	}
	for _, addr := range []string{house.Server4, house.Server6} {
		for port, want := range map[int]error{house.ClosedPort: unix.ECONNREFUSED, unreachablePort: unix.EHOSTUNREACH} {
			took, err := connect("", addr, port)
			t.Logf("%s port %d: %v after %s", addr, port, err, took)
			if !errors.Is(err, want) {
				t.Errorf("%s port %d: %v, want %v", addr, port, err, want)
			}
		}
		if _, err := h.FirstByte(ctx, "", addr); err != nil {
			t.Error(err)
		}
	}
	// Nobody answers: neither do we.
	short, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if c, err := h.DialFrom(short, "", house.Server4, silentPort); err == nil {
		c.Close()
		t.Error("connected to a port that answers nothing")
	} else if e := net.Error(nil); !errors.As(err, &e) || !e.Timeout() {
		t.Errorf("a port that answers nothing: %v", err)
	}

	var with, without []time.Duration
	for range 9 {
		ready(t, h)
		direct, err := connect(house.Direct4, house.Server4, house.HTTPPort)
		if err != nil {
			t.Fatal(err)
		}
		held, err := connect("", house.Server4, house.HTTPPort)
		if err != nil {
			t.Fatal(err)
		}
		with, without = append(with, held), append(without, direct)
	}
	slices.Sort(with)
	slices.Sort(without)
	t.Logf("connect() median %s, direct %s", with[4], without[4])
	// A second round trip would be another 60 ms.
	if with[4] > without[4]+25*time.Millisecond {
		t.Errorf("connect() takes %s, direct %s", with[4], without[4])
	}
	if err := h.Download(ctx, "", house.Server4, 5e6); err != nil {
		t.Error(err)
	}
	s := status(t, h)
	if s.Accept != "faithful" || s.Flows.Direct != 0 || s.Flows.Refused < 4 {
		t.Errorf("status %+v", s)
	}
}

// TestFaithfulFails: whatever ends, LAN hosts connect.
func TestFaithfulFails(t *testing.T) {
	t.Parallel()
	h := faithfulHouse(t)
	ctx := within(t, time.Minute)
	reach := func(when string) {
		t.Helper()
		for _, server := range []string{house.Server4, house.Server6} {
			if _, err := h.FirstByte(ctx, "", server); err != nil {
				t.Fatalf("%s: %v", when, err)
			}
		}
	}
	reach("at first")
	if err := h.Concentrator.Kill(); err != nil {
		t.Fatal(err)
	}
	reach("without the concentrator")
	if c, err := h.DialFrom(ctx, "", house.Server4, house.ClosedPort); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("closed port, directly: %v, %v", c, err)
	}
	if s := status(t, h).Flows; s.Direct != 2 {
		t.Errorf("flows %+v, want 2 direct", s)
	}
	// A SYN that waits as the daemon is killed is repeated by its host, and
	// then nothing holds it.
	waits := make(chan error, 1)
	restartConcentrator(t, h)
	eventually(t, 10*time.Second, "through the concentrator", func() bool {
		before := status(t, h).Flows.Relayed
		reach("restarted")
		return status(t, h).Flows.Relayed == before+2
	})
	run(t, ctx, h.Host("net"), "nft", fmt.Sprintf("add rule inet tandem-test in ip saddr %s tcp dport %d drop", house.Concentrator4, house.HTTPPort))
	go func() {
		_, err := h.FirstByte(ctx, "", house.Server4)
		waits <- err
	}()
	eventually(t, 10*time.Second, "a SYN waits", func() bool { return status(t, h).Flows.Open > 0 })
	if err := h.CPE.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-waits; err != nil {
		t.Errorf("the SYN that waited: %v", err)
	}
	reach("after kill -9")
	run(t, ctx, h.Host("net"), "nft", "flush chain inet tandem-test in")
	if err := h.StartCPE(ctx); err != nil {
		t.Fatal(err)
	}
	reach("started over the remains")
	// A reload to early and back.
	for _, more := range []string{"", faithful} {
		if err := h.WriteCPE(more, ""); err != nil {
			t.Fatal(err)
		}
		if err := h.ReloadCPE(ctx); err != nil {
			t.Fatal(err)
		}
		reach("reloaded with" + more)
		c, err := h.DialFrom(ctx, "", house.Server4, house.ClosedPort-1)
		if refused := errors.Is(err, unix.ECONNREFUSED); refused != (more == faithful) {
			t.Errorf("with %q a refused connect() gives %v", more, err)
		}
		if c != nil {
			c.Close()
		}
	}
	if err := h.CPE.Stop(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	reach("after a clean stop")
}
