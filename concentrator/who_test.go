package main

import (
	"io"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"tandem/concentrator/clients"
	"tandem/concentrator/config"
	"tandem/concentrator/receive"
	"tandem/shared/convert"
	"tandem/shared/credential"
)

// desk is a daemon without sockets, with one client.
type desk struct {
	*concentrator
	store  *clients.Folder
	client *clients.Client
	signer *credential.Signer
}

func newDesk(tb testing.TB) *desk {
	tb.Helper()
	cfg, err := config.Parse(emptyFile{}, "test")
	if err != nil {
		tb.Fatal(err)
	}
	cfg.State = filepath.Join(tb.TempDir(), "state")
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	store := clients.NewFolder(clientsFolder(cfg))
	s, err := newServer(log, cfg, store)
	if err != nil {
		tb.Fatal(err)
	}
	d := &concentrator{log: log, server: s, store: store}
	set, err := s.newSettings(cfg, newSecret())
	if err != nil {
		tb.Fatal(err)
	}
	s.settings.Store(set)
	if err := d.openState(cfg); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { d.state.Close() })
	c, err := store.Add(clients.Client{Name: "home"})
	if err != nil {
		tb.Fatal(err)
	}
	if err := d.reloadStore(); err != nil {
		tb.Fatal(err)
	}
	signer := &credential.Signer{Identity: credential.NewIdentity(c.Keys[0].ID, c.Keys[0].Secret)}
	k := &desk{concentrator: d, store: store, client: c, signer: signer}
	k.correctClock(tb)
	return k
}

// correctClock makes the one retry that a daemon asks for which does not know
// what was used before it started.
func (d *desk) correctClock(tb testing.TB) {
	tb.Helper()
	r := request(tb, d.signed(tb))
	_, proof, no := d.server.who(d.server.settings.Load(), netip.MustParseAddr("198.51.100.7"), r)
	var m convert.Message
	if _, err := m.Parse(no.answer, convert.FromConverter); err != nil {
		tb.Fatalf("%v: %q", err, no.why)
	}
	if got := d.signer.Check(no.answer, &m, proof.Nonce); got != credential.Retry {
		tb.Fatalf("answer %x is %s", no.answer, got)
	}
}

type emptyFile struct{}

func (emptyFile) Read([]byte) (int, error) { return 0, io.EOF }

// request reads a message as a connection's would be.
func request(tb testing.TB, message []byte) *receive.Request {
	tb.Helper()
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	go func() { _, _ = theirs.Write(message) }()
	r := new(receive.Pool).Get()
	if err := r.Read(ours, time.Now().Add(5*time.Second)); err != nil {
		tb.Fatal(err)
	}
	return r
}

func (d *desk) signed(tb testing.TB) []byte {
	tb.Helper()
	m := convert.Message{HasConnect: true, Connect: convert.Connect{Addr: netip.MustParseAddrPort("203.0.113.10:443")}}
	b, err := m.Append(nil)
	if err == nil {
		b, _, err = d.signer.Append(b)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestWho(t *testing.T) {
	d := newDesk(t)
	set, source := d.server.settings.Load(), netip.MustParseAddr("198.51.100.7")
	first := d.signed(t)
	client, proof, no := d.server.who(set, source, request(t, first))
	if client == nil || client.name != d.client.Name || proof.Key == nil {
		t.Fatalf("the client is not known: %q", no.why)
	}
	if client, _, no := d.server.who(set, source, request(t, first)); client != nil || no.answer != nil {
		t.Errorf("the same bytes again: client %v, answer %x", client, no.answer)
	}
	wrong := d.signed(t)
	wrong[len(wrong)-1] ^= 1
	unknown := d.signed(t)
	unknown[len(unknown)-credential.Len+4] ^= 1 // in the key id
	for name, message := range map[string][]byte{"wrong tag": wrong, "unknown key": unknown} {
		client, proof, no := d.server.who(set, source, request(t, message))
		if client != nil || proof.Key != nil || no.answer != nil || no.why != "credential is wrong" {
			t.Errorf("%s: client %v, answer %x, %q", name, client, no.answer, no.why)
		}
	}
	d.signer.Now = func() time.Time { return time.Now().Add(-time.Hour) }
	stale := request(t, d.signed(t))
	if client, _, no := d.server.who(set, source, stale); client != nil || len(no.answer) != 36 {
		t.Errorf("an old credential: client %v, answer %x", client, no.answer)
	}
	d.correctClock(t)
	if _, err := d.store.Update("home", func(c *clients.Client) error { c.Enabled = false; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := d.reloadStore(); err != nil {
		t.Fatal(err)
	}
	if client, _, no := d.server.who(set, source, request(t, d.signed(t))); client != nil || no.answer != nil {
		t.Errorf("a disabled client: %v, answer %x", client, no.answer)
	}
}

// BenchmarkAuthenticate is all that a connection's authentication costs: the
// credential verified and remembered, the client found, the answer signed.
func BenchmarkAuthenticate(b *testing.B) {
	d := newDesk(b)
	set, source := d.server.settings.Load(), netip.MustParseAddr("198.51.100.7")
	// Each message is accepted once; making them is the client's cost.
	requests := make([]*receive.Request, 2000)
	fill := func() {
		for i := range requests {
			requests[i] = request(b, d.signed(b))
		}
	}
	answer := make([]byte, 0, 64)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		at := i % len(requests)
		if at == 0 {
			b.StopTimer()
			fill()
			b.StartTimer()
		}
		client, proof, no := d.server.who(set, source, requests[at])
		if client == nil {
			b.Fatal(no.why)
		}
		answer = sign(proof, convert.AppendSuccess(answer[:0]))
	}
	if len(answer) != 24 {
		b.Fatalf("answer %x", answer)
	}
}
