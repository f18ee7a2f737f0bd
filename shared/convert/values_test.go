package convert

import (
	"bytes"
	"net/netip"
	"testing"
	"time"
)

func TestForbidden(t *testing.T) {
	tests := []struct {
		addr string
		want bool
	}{
		{"127.0.0.1", true}, {"127.255.255.254", true}, {"::1", true}, {"::ffff:127.0.0.1", true},
		{"224.0.0.1", true}, {"239.255.255.255", true}, {"ff02::1", true}, {"ff0e::1", true}, {"::ffff:224.0.0.1", true},
		{"255.255.255.255", true}, {"::ffff:255.255.255.255", true},
		{"0.0.0.0", true}, {"::", true}, {"::ffff:0.0.0.0", true},
		{"203.0.113.10", false}, {"2001:db8::80", false}, {"::ffff:203.0.113.10", false},
		{"10.0.0.1", false}, {"192.168.1.255", false}, {"fe80::1", false}, {"255.255.255.254", false},
	}
	for _, tt := range tests {
		if got := Forbidden(netip.MustParseAddr(tt.addr)); got != tt.want {
			t.Errorf("%s: want %v, got %v", tt.addr, tt.want, got)
		}
	}
	if !Forbidden(netip.Addr{}) {
		t.Error("the zero address: want true")
	}
}

func TestWait(t *testing.T) {
	tests := []struct {
		d    time.Duration
		b    byte
		back time.Duration
	}{
		{-time.Second, 0, 30 * time.Second},
		{0, 0, 30 * time.Second},
		{time.Nanosecond, 1, time.Second},
		{1500 * time.Millisecond, 2, 2 * time.Second},
		{2 * time.Minute, 120, 2 * time.Minute},
		{255 * time.Second, 255, 255 * time.Second},
		{1<<63 - 1, 255, 255 * time.Second},
	}
	for _, tt := range tests {
		b := WaitSeconds(tt.d)
		// Four bytes of seconds would be a fair reading of the RFC too: the first counts.
		back, ok := Error{Code: NetworkFailure, Value: []byte{b, 1, 2, 3, 4}}.Wait()
		if b != tt.b || back != tt.back || !ok {
			t.Errorf("%v: want %d and %v, got %d and %v", tt.d, tt.b, tt.back, b, back)
		}
	}
}

func TestErrorValues(t *testing.T) {
	for _, code := range []Code{UnsupportedVersion, MalformedMessage, UnsupportedMessage, MissingCookie, NotAuthorized,
		UnsupportedTCPOption, ResourceExceeded, NetworkFailure, ConnectionReset, DestinationUnreachable} {
		e := Error{Code: code, Value: []byte{0, 34, 0}}
		_, wait := e.Wait()
		_, icmp := e.ICMPCode()
		cookie, isCookie := e.Cookie()
		echo, isEcho := e.Echo()
		list, isList := e.List()
		if wait != (code == ResourceExceeded || code == NetworkFailure) || icmp != (code == DestinationUnreachable) ||
			isCookie != (code == MissingCookie) || isEcho != (code == MalformedMessage || code == UnsupportedMessage) ||
			isList != (code == UnsupportedVersion || code == UnsupportedTCPOption) {
			t.Errorf("%v: wrong kind of value", e)
		}
		if isCookie && !bytes.Equal(cookie, []byte{34, 0}) || isEcho && !bytes.Equal(echo, []byte{34, 0}) ||
			isList && !bytes.Equal(list, []byte{0, 34}) {
			t.Errorf("%v: got %x %x %x", e, cookie, echo, list)
		}
		e.Value = nil // a caller's own, never from Parse
		e.Wait()
		e.ICMPCode()
		e.Cookie()
		e.Echo()
		e.List()
	}
}

func TestStrings(t *testing.T) {
	for got, want := range map[string]string{
		TypeExtendedHeader.String():          "Extended TCP Header",
		TypeSupported.String():               "Supported TCP Extensions",
		Type(200).String():                   "TLV 200",
		UnsupportedTCPOption.String():        "Unsupported TCP Option",
		Code(192).String():                   "Error 192",
		Error{Code: NotAuthorized}.String():  "Not Authorized (32)",
		FromClient.String():                  "client",
		FromConverter.String():               "converter",
		malformed(10, 4, "duplicate").text(): `convert: malformed "Connect" at byte 4: duplicate`,
		malformed(0, 1, "no tlv").text():     `convert: malformed header at byte 1: no tlv`,
	} {
		if got != want {
			t.Errorf("want %q, got %q", want, got)
		}
	}
}

func (e SyntaxError) text() string { return e.Error() }

func TestOption(t *testing.T) {
	synAck := unhex(t, synAckOptions) // MSS, SACK permitted, timestamps, NOP, window scale
	tests := []struct {
		name    string
		options []byte
		kind    byte
		want    string
		ok      bool
	}{
		{"first", synAck, 2, "05b4", true},
		{"empty", synAck, 4, "", true},
		{"behind a nop", synAck, 3, "07", true},
		{"missing", synAck, KindMPTCP, "", false},
		{"behind the end", unhex(t, "00 1e02"), KindMPTCP, "", false},
		{"cut off", unhex(t, "1e0400"), KindMPTCP, "", false},
		{"length 1", unhex(t, "0201 1e02"), KindMPTCP, "", false},
		{"no length", unhex(t, "1e"), KindMPTCP, "", false},
		{"only nops", unhex(t, "0101"), KindMPTCP, "", false},
		{"nothing", nil, KindMPTCP, "", false},
	}
	for _, tt := range tests {
		got, ok := Option(tt.options, tt.kind)
		if ok != tt.ok || !bytes.Equal(got, unhex(t, tt.want)) {
			t.Errorf("%s: want %s, %v, got %x, %v", tt.name, tt.want, tt.ok, got, ok)
		}
	}
}

func TestSupports(t *testing.T) {
	m := Message{Supported: []byte{4, 0, 30}}
	if !m.Supports(30) || !m.Supports(4) || m.Supports(0) || m.Supports(34) {
		t.Error("wrong kinds")
	}
}
