package mptcp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

var compareAddrs = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func TestEndpoints(t *testing.T) {
	newLab(t)
	pm := pathManager(t, nsA)
	w2 := deviceIndex(t, nsA, "w2")
	add := []Endpoint{
		{Addr: addrA1, IfIndex: deviceIndex(t, nsA, "w1"), Flags: FlagSubflow},
		{ID: 9, Addr: addrA2, IfIndex: w2, Flags: FlagSubflow | FlagBackup | FlagFullmesh},
		{Addr: addr6A, Port: 5124, Flags: FlagSignal},
		{ID: 255, Addr: netip.MustParseAddr("2001:db8:2::1"), IfIndex: w2, Flags: FlagLaminar},
	}
	for _, e := range add {
		if err := pm.AddEndpoint(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := pm.AddEndpoint(add[1]); !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.EEXIST) {
		t.Errorf("second time: %v, want EBUSY", err)
	}
	if err := pm.AddEndpoint(Endpoint{Addr: addrB1, Flags: FlagSignal | FlagFullmesh}); !errors.Is(err, unix.EINVAL) {
		t.Errorf("signal and fullmesh: %v, want EINVAL", err)
	}
	// A change by address, a change by identifier, a removal of either kind.
	if err := pm.SetFlags(Endpoint{Addr: addrA1, Flags: FlagBackup}); err != nil {
		t.Error(err)
	}
	if err := pm.SetFlags(Endpoint{ID: 9, Flags: FlagFullmesh}); err != nil {
		t.Error(err)
	}
	if err := pm.DelEndpoint(Endpoint{ID: 255}); err != nil {
		t.Error(err)
	}
	want := []Endpoint{add[0], add[1], add[2]}
	want[0].Flags |= FlagBackup
	want[1].Flags &^= FlagBackup
	got, err := pm.Endpoints()
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		if got[i].ID == 0 {
			t.Errorf("no identifier: %+v", got[i])
		}
		if i < len(want) && want[i].ID == 0 {
			want[i].ID = got[i].ID
		}
	}
	byID := func(all []Endpoint) map[uint8]Endpoint {
		m := make(map[uint8]Endpoint)
		for _, e := range all {
			m[e.ID] = e
		}
		return m
	}
	if diff := cmp.Diff(byID(want), byID(got), compareAddrs); diff != "" {
		t.Errorf("endpoints (-want +got):\n%s", diff)
	}
	if err := pm.DelEndpoint(Endpoint{Addr: addr6A, Port: 5124}); err != nil {
		t.Error(err)
	}
	if err := pm.DelEndpoint(Endpoint{Addr: addr6A}); !errors.Is(err, unix.ENOENT) {
		t.Errorf("absent endpoint: %v, want ENOENT", err)
	}
	if err := pm.FlushEndpoints(); err != nil {
		t.Error(err)
	}
	if got, err := pm.Endpoints(); len(got) != 0 || err != nil {
		t.Errorf("after flush: %v, %v", got, err)
	}
}

func TestLimits(t *testing.T) {
	newLab(t)
	pm := pathManager(t, nsA)
	if got, err := pm.Limits(); got != (Limits{Subflows: 2}) || err != nil {
		t.Errorf("at the start: %+v, %v", got, err)
	}
	want := Limits{AddAddrAccepted: 3, Subflows: 8}
	if err := pm.SetLimits(want); err != nil {
		t.Error(err)
	}
	if got, err := pm.Limits(); got != want || err != nil {
		t.Errorf("limits %+v, %v; want %+v", got, err, want)
	}
	if err := pm.SetLimits(Limits{Subflows: 1000}); !errors.Is(err, unix.EINVAL) {
		t.Errorf("too many: %v, want EINVAL", err)
	}
}

// follow starts to receive the events of a host.
func follow(t *testing.T, ns string) <-chan Event {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	pm := pathManager(t, ns)
	var events <-chan Event
	on(t, ns, func() (err error) {
		events, err = pm.Events(ctx)
		return err
	})
	t.Cleanup(func() {
		cancel()
		for range events { // ends, since ctx has
		}
	})
	return events
}

// expect returns the next event, which must be of the given type.
func expect(t *testing.T, events <-chan Event, want EventType) Event {
	t.Helper()
	select {
	case e := <-events:
		if e.Type != want {
			t.Fatalf("event %v, want %v: %+v", e.Type, want, e)
		}
		return e
	case <-time.After(10 * time.Second):
		t.Fatalf("no event %v", want)
	}
	panic("unreachable")
}

func TestEventsOfALife(t *testing.T) {
	newLab(t)
	pm := secondPath(t, 0)
	l := listenMPTCP(t)
	ofA, ofB := follow(t, nsA), follow(t, nsB)
	w2 := deviceIndex(t, nsA, "w2")
	client, server := pair(t, l, Dialer{})
	local := client.LocalAddr().(*net.TCPAddr).AddrPort()
	remote := netip.AddrPortFrom(addrB1, port)
	info, err := Inspect(client)
	if err != nil {
		t.Fatal(err)
	}
	peer, err := Inspect(server)
	if err != nil {
		t.Fatal(err)
	}

	want := Event{Type: EventCreated, Token: info.Token, Local: local, Remote: remote}
	if got := expect(t, ofA, EventCreated); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	want.Type = EventEstablished
	if got := expect(t, ofA, EventEstablished); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, typ := range []EventType{EventCreated, EventEstablished} {
		want := Event{Type: typ, Token: peer.Token, Local: remote, Remote: local, ServerSide: true}
		if got := expect(t, ofB, typ); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}

	second := expect(t, ofA, EventSubflowEstablished)
	if second.Token != info.Token || second.Local.Addr() != addrA2 || second.Remote != remote || second.LocalID == 0 ||
		second.IfIndex != w2 || second.Backup || second.Error != 0 {
		t.Errorf("second subflow: %+v", second)
	}
	if got := expect(t, ofB, EventSubflowEstablished); got.Remote != second.Local || got.RemoteID != second.LocalID {
		t.Errorf("peer's second subflow: %+v", got)
	}

	// Backup on and off, live; the peer learns it.
	for _, flags := range []Flags{FlagBackup, 0} {
		if err := pm.SetFlags(Endpoint{Addr: addrA2, Flags: flags}); err != nil {
			t.Fatal(err)
		}
		if got := expect(t, ofB, EventSubflowPriority); got.Backup != (flags != 0) || got.Remote != second.Local {
			t.Errorf("flags %q: %+v", flags, got)
		}
		if _, err := client.Write([]byte{1}); err != nil {
			t.Fatal(err)
		}
	}

	// The endpoint goes, and its subflow with it.
	if err := pm.DelEndpoint(Endpoint{Addr: addrA2}); err != nil {
		t.Fatal(err)
	}
	if got := expect(t, ofA, EventSubflowClosed); got.Local != second.Local || got.Token != info.Token {
		t.Errorf("closed: %+v", got)
	}
	if got := expect(t, ofB, EventRemoved); got.RemoteID != second.LocalID {
		t.Errorf("removed: %+v", got)
	}
	_ = Reset(client)
	for {
		e := <-ofA
		if e.Type == EventClosed && e.Token == info.Token {
			break
		}
		if e.Type != EventSubflowClosed {
			t.Errorf("unexpected %+v", e)
		}
	}
}

func TestEventsOfEndpoints(t *testing.T) {
	newLab(t)
	client, _ := pair(t, listenMPTCP(t), Dialer{})
	ofA, ofB := follow(t, nsA), follow(t, nsB)
	pm := pathManager(t, nsB)
	second := netip.AddrPortFrom(addrB2, 6000)
	if err := pm.AddEndpoint(Endpoint{Addr: addrB2, Port: 6000, Flags: FlagSignal}); err != nil {
		t.Fatal(err)
	}
	if got := expect(t, ofB, EventListenerCreated); got.Local != second {
		t.Errorf("listener: %+v", got)
	}
	info, err := Inspect(client)
	if err != nil {
		t.Fatal(err)
	}
	got := expect(t, ofA, EventAnnounced)
	if want := (Event{Type: EventAnnounced, Token: info.Token, RemoteID: got.RemoteID, Remote: second}); got != want || got.RemoteID == 0 {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if err := pm.DelEndpoint(Endpoint{Addr: addrB2, Port: 6000}); err != nil {
		t.Fatal(err)
	}
	if e := expect(t, ofA, EventRemoved); e.RemoteID != got.RemoteID {
		t.Errorf("removed: %+v", e)
	}
	if e := expect(t, ofB, EventListenerClosed); e.Local != second {
		t.Errorf("listener: %+v", e)
	}
}

// A receiver that is too slow is told so, and goes on.
func TestEventsLost(t *testing.T) {
	newLab(t)
	pm := pathManager(t, nsB)
	pm.eventBuffer = 1 // the kernel makes that its least, about 4 KiB
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var events <-chan Event
	flood := func(port uint16) func() error {
		return func() error {
			for range 500 {
				l, err := (&ListenConfig{MPTCP: true}).Listen(netip.AddrPortFrom(addrB1, port))
				if err != nil {
					return err
				}
				l.Close()
			}
			return nil
		}
	}
	on(t, nsB, func() (err error) {
		events, err = pm.Events(ctx)
		return err
	})
	on(t, nsB, flood(6000)) // nobody receives
	end := time.After(10 * time.Second)
	await := func(what string, f func(Event) bool) {
		t.Helper()
		for {
			select {
			case e := <-events:
				if f(e) {
					return
				}
			case <-end:
				t.Fatal(what)
			}
		}
	}
	await("no EventLost", func(e Event) bool { return e.Type == EventLost })
	go inNamespace(nsB, flood(6001))
	await("no event after EventLost", func(e Event) bool { return e.Local.Port() == 6001 })
}

func TestUserspacePathManager(t *testing.T) {
	newLab(t)
	sysctl(t, nsA, "net.mptcp.pm_type", "1")
	server := pathManager(t, nsB)
	if err := server.SetLimits(Limits{Subflows: 8}); err != nil {
		t.Fatal(err)
	}
	pm := pathManager(t, nsA)
	l := listenMPTCP(t)
	ofA, ofB := follow(t, nsA), follow(t, nsB)
	client, _ := pair(t, l, Dialer{})
	token := expect(t, ofA, EventCreated).Token
	expect(t, ofA, EventEstablished)
	expect(t, ofB, EventCreated)
	expect(t, ofB, EventEstablished)

	remote := netip.AddrPortFrom(addrB1, port)
	local := Endpoint{ID: 5, Addr: addrA2, IfIndex: deviceIndex(t, nsA, "w2"), Flags: FlagBackup}
	if err := pm.CreateSubflow(token, local, remote); err != nil {
		t.Fatal(err)
	}
	made := expect(t, ofA, EventSubflowEstablished)
	if made.Local.Addr() != addrA2 || made.Remote != remote || made.LocalID != 5 {
		t.Errorf("made: %+v", made)
	}
	if got := expect(t, ofB, EventSubflowEstablished); !got.Backup || got.RemoteID != 5 {
		t.Errorf("made, at the peer: %+v", got)
	}
	subflows, err := Subflows(client)
	if err != nil || len(subflows) != 2 || subflows[1].Local != made.Local {
		t.Errorf("subflows %+v, %v", subflows, err)
	}
	if err := pm.SetSubflowBackup(token, made.Local, remote, false); err != nil {
		t.Error(err)
	}
	if got := expect(t, ofB, EventSubflowPriority); got.Backup || got.Remote != made.Local {
		t.Errorf("priority: %+v", got)
	}
	if err := pm.DestroySubflow(token, made.Local, remote); err != nil {
		t.Error(err)
	}
	if got := expect(t, ofA, EventSubflowClosed); got.Local != made.Local {
		t.Errorf("closed: %+v", got)
	}
	if err := pm.DestroySubflow(token, made.Local, remote); err == nil {
		t.Error("destroyed twice")
	}
	if got := expect(t, ofB, EventSubflowClosed); got.Remote != made.Local {
		t.Errorf("closed at the peer: %+v", got)
	}

	if err := pm.Announce(token, Endpoint{ID: 6, Addr: addrA2}); err != nil {
		t.Error(err)
	}
	if got := expect(t, ofB, EventAnnounced); got.RemoteID != 6 || got.Remote.Addr() != addrA2 {
		t.Errorf("announced: %+v", got)
	}
	if err := pm.Remove(token, 6); err != nil {
		t.Error(err)
	}
	if got := expect(t, ofB, EventRemoved); got.RemoteID != 6 {
		t.Errorf("removed: %+v", got)
	}
	if err := pm.Announce(token+1, Endpoint{ID: 6, Addr: addrA2}); err == nil {
		t.Error("announced on a connection that does not exist")
	}
}

func TestOpenClosesAll(t *testing.T) {
	before := descriptors(t)
	for range 20 {
		pm, err := Open()
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		events, err := pm.Events(ctx)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		for range events {
		}
		pm.Close()
	}
	eventually(t, "as many descriptors as before", func() (bool, error) { return descriptors(t) <= before, nil })
}
