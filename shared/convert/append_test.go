package convert

import (
	"bytes"
	"net/netip"
	"testing"
	"time"
)

func TestAppendRefuses(t *testing.T) {
	addr := netip.MustParseAddrPort("192.0.2.1:80")
	connect := func(options ...byte) Message {
		return Message{Connect: Connect{Addr: addr, Options: options}}
	}
	var many Message
	for i := range MaxPrivate + 1 {
		many.Private = append(many.Private, Raw{Type: TypePrivateFirst + Type(i)})
	}
	tests := []struct {
		name string
		m    Message
	}{
		{"no address", Message{HasConnect: true}},
		{"zone", Message{Connect: Connect{Addr: netip.MustParseAddrPort("[fe80::1%eth0]:80")}}},
		{"option kind 0", connect(0, 2, 0, 0, 0)},
		{"option kind 1", connect(1, 1)},
		{"option too short", connect(30, 1)},
		{"option too long", connect(30, 3)},
		{"option cut", connect(30)},
		{"option padding", connect(30, 2, 0)},
		{"tcp-ao", connect(29, 2)},
		{"private type 191", Message{Private: []Raw{{Type: 191}}}},
		{"private twice", Message{Private: []Raw{{Type: 200}, {Type: 200}}}},
		{"17 private", many},
		{"1013 bytes of cookie", Message{Cookie: make([]byte, 1013)}},
		{"1015 bytes of private", Message{Private: []Raw{{Type: 200, Value: make([]byte, 1015)}}}},
		{"together too long", Message{Cookie: make([]byte, 600), Supported: make([]byte, 600)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.m.Append([]byte("before"))
			if err == nil || string(got) != "before" {
				t.Errorf("want an error, got %x, %v", got, err)
			}
		})
	}
}

// TestAppendFull fills a message to its last byte.
func TestAppendFull(t *testing.T) {
	m := Message{Cookie: bytes.Repeat([]byte{7}, 1012)}
	b, err := m.Append(nil)
	if err != nil || len(b) != MaxMessage || m.Len() != MaxMessage {
		t.Fatalf("want %d bytes, got %d, %v", MaxMessage, len(b), err)
	}
	var back Message
	if n, err := back.Parse(b, FromClient); n != MaxMessage || err != nil || !bytes.Equal(back.Cookie, m.Cookie) {
		t.Errorf("got %d, %v", n, err)
	}
}

func TestEmptyButPresent(t *testing.T) {
	m := Message{HasExtendedHeader: true, HasSupported: true, HasError: true, Private: []Raw{{Type: 255}}}
	wire, err := m.Append(nil)
	if want := unhex(t, "01052263 14010000 15010000 1e010000 ff010000"); err != nil || !bytes.Equal(wire, want) {
		t.Fatalf("want %x, got %x, %v", want, wire, err)
	}
	var got Message
	if _, err := got.Parse(wire, FromConverter); err != nil {
		t.Fatal(err)
	}
	if !got.HasExtendedHeader || !got.HasSupported || !got.HasError || len(got.Private) != 1 {
		t.Errorf("flags lost: %+v", got)
	}
	m = Message{HasCookie: true}
	if wire, err = m.Append(nil); err != nil || !bytes.Equal(wire, unhex(t, "01022263 16010000")) {
		t.Fatalf("got %x, %v", wire, err)
	}
	if _, err := got.Parse(wire, FromClient); err != nil || !got.HasCookie || len(got.Cookie) != 0 || got.HasError {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestPrivateLast is what a tag over all bytes before it relies on.
func TestPrivateLast(t *testing.T) {
	m := Message{Info: true, Cookie: []byte{1}, Private: []Raw{{Type: 202, Value: []byte{1}}, {Type: 200, Value: make([]byte, 40)}}}
	wire, err := m.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	var got Message
	n, err := got.Parse(wire, FromClient)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range got.Private {
		if r.Type != m.Private[i].Type || Type(wire[r.Offset]) != r.Type || len(r.Value)%4 != 2 ||
			!bytes.HasPrefix(r.Value, m.Private[i].Value) || &wire[r.Offset+2] != &r.Value[0] {
			t.Errorf("private %d: got %+v", i, r)
		}
	}
	if last := got.Private[1]; last.End() != n {
		t.Errorf("want the end at %d, got %d", n, last.End())
	}
}

func TestAppendConnect(t *testing.T) {
	for _, tt := range []struct{ addr, want string }{
		{"203.0.113.10:443", "01062263" + connectTLV},
		{"[::ffff:203.0.113.10]:443", "01062263" + connectTLV},
		{"[2001:db8::80]:443", "01062263 0a0501bb 20010db8 00000000 00000000 00000080"},
	} {
		got, err := AppendConnect(nil, netip.MustParseAddrPort(tt.addr))
		if err != nil || !bytes.Equal(got, unhex(t, tt.want)) {
			t.Errorf("%q: want %s, got %x, %v", tt.addr, tt.want, got, err)
		}
	}
	for _, bad := range []netip.AddrPort{{}, netip.MustParseAddrPort("[fe80::1%eth0]:80")} {
		if got, err := AppendConnect(nil, bad); err == nil || got != nil {
			t.Errorf("%q: want an error, got %x", bad, got)
		}
	}
}

func TestAppendReplies(t *testing.T) {
	big := append(unhex(t, "01ff2263"), make([]byte, MaxMessage-HeaderLen)...)
	tests := []struct {
		name string
		got  []byte
		want []byte
	}{
		{"success", AppendSuccess(nil), unhex(t, "01012263")},
		{"not authorized", AppendError(nil, NotAuthorized), unhex(t, "01022263 1e012000")},
		{"reset", AppendError(nil, ConnectionReset), unhex(t, "01022263 1e016000")},
		{"unreachable", AppendUnreachable(nil, 1), unhex(t, "01022263 1e016101")},
		{"wait", AppendWait(nil, ResourceExceeded, 2*time.Minute), unhex(t, "01022263 1e014078")},
		{"echo", AppendEcho(nil, MalformedMessage, append(unhex(t, loopbackRequest), "user data"...)),
			unhex(t, "01082263 1e070100"+loopbackRequest)},
		{"echo of a part", AppendEcho(nil, MalformedMessage, unhex(t, "010622")), unhex(t, "01032263 1e020100 01062200")},
		{"echo of nothing", AppendEcho(nil, UnsupportedMessage, nil), unhex(t, "01022263 1e010200")},
		{"echo cut", AppendEcho(nil, MalformedMessage, big), append(unhex(t, "01ff2263 1efe0100"), big[:1012]...)},
	}
	for _, tt := range tests {
		if !bytes.Equal(tt.got, tt.want) {
			t.Errorf("%s: want %x, got %x", tt.name, tt.want, tt.got)
		}
	}
	m := ErrorMessage(MalformedMessage, EchoValue(nil, big, 44))
	m.Private = []Raw{{Type: 201, Value: make([]byte, 42)}}
	if b, err := m.Append(nil); err != nil || len(b) != MaxMessage {
		t.Errorf("echo beside a private tlv: want %d bytes, got %d, %v", MaxMessage, len(b), err)
	}
	m = ErrorMessage(MissingCookie, CookieValue(nil, unhex(t, cookie16)))
	if b, err := m.Append(nil); err != nil || !bytes.Equal(b, unhex(t, "01062263 1e050300"+cookie16)) {
		t.Errorf("missing cookie: got %x, %v", b, err)
	}
}
