package convert

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// reaction spells what a parse error asks for: "" nothing, "reset", "close",
// "error 33 value 1d", ...
func reaction(err error) string {
	if err == nil {
		return ""
	}
	var e *SyntaxError
	if !errors.As(err, &e) {
		return "not a syntax error: " + err.Error()
	}
	if e.Reply.Action != SendError {
		return e.Reply.Action.String()
	}
	s := fmt.Sprintf("error %d", e.Reply.Code)
	if e.Reply.Value != 0 {
		s += fmt.Sprintf(" value %02x", e.Reply.Value)
	}
	return s
}

// reject is a message that at least the converter refuses.
type reject struct {
	name      string
	hex       string
	converter string
	client    string // "" takes it
	complete  bool
}

func rejects() []reject {
	to := func(addr string) string { return "01062263 0a050050" + addr }
	options := func(words int, opts string) string {
		return fmt.Sprintf("01%02x2263 0a%02x01bb 00000000 00000000 0000ffff cb00710a %s", 6+words, 5+words, opts)
	}
	const mapped = "00000000 00000000 0000ffff"
	var seventeen string
	for i := range MaxPrivate + 1 {
		seventeen += fmt.Sprintf("%02x010000", 192+i)
	}
	return []reject{
		// The rows of the table, in its order.
		{"total length 0", "01002263", "reset", "reset", false},
		{"version 2", "02062263" + connectTLV, "error 0 value 01", "reset", false},
		{"magic", "01062264" + connectTLV, "close", "reset", false},
		{"tlv length 0", "01022263 0a000000", "error 1", "reset", false},
		{"tlv beyond total length", "01022263 0a0501bb", "error 1", "reset", false},
		{"duplicate", "010b2263" + connectTLV + connectTLV, "error 1", "reset", true},
		{"type 0", "01022263 00010000", "error 2", "reset", true},
		{"type 99", "01022263 63010000", "error 2", "reset", true},
		{"to ::1", to("00000000 00000000 00000000 00000001"), "error 1", "", true},
		{"to 127.0.0.1", to(mapped + "7f000001"), "error 1", "", true},
		{"to ff02::1", to("ff020000 00000000 00000000 00000001"), "error 1", "", true},
		{"to 224.0.0.1", to(mapped + "e0000001"), "error 1", "", true},
		{"to 255.255.255.255", to(mapped + "ffffffff"), "error 1", "", true},
		{"connect length 4", "01052263 0a0401bb 00000000 00000000 0000ffff", "error 1", "reset", true},
		{"connect length 1", "01022263 0a0101bb", "error 1", "reset", true},
		{"option kind 0", options(1, "00000002"), "error 1", "reset", true},
		{"option kind 1", options(1, "01010101"), "error 1", "reset", true},
		{"option length 0", options(1, "1e000000"), "error 1", "reset", true},
		{"option length 1", options(1, "1e010000"), "error 1", "reset", true},
		{"option past the tlv", options(1, "1e050000"), "error 1", "reset", true},
		{"option 29", options(1, "1d040000"), "error 33 value 1d", "reset", true},

		// More of the same kinds.
		{"version 0", "00062263" + connectTLV, "error 0 value 01", "reset", false},
		{"version 2, total length 0", "02002263", "error 0 value 01", "reset", false},
		{"magic, first byte, version 2", "02062363", "close", "reset", false},
		{"not convert", "47455420 2f204854 5450", "close", "reset", false},
		{"not convert, 3 bytes", "160301", "close", "reset", false},
		{"no address", to("00000000 00000000 00000000 00000000"), "error 1", "", true},
		{"to 0.0.0.0", to(mapped + "00000000"), "error 1", "", true},
		{"option kind without length", options(1, "1e03001e"), "error 1", "reset", true},
		{"a word of zeros as option", options(2, "1e020402 00000000"), "error 1", "reset", true},
		{"only zeros as options", options(1, "00000000"), "error 1", "reset", true},
		{"option 29 among others", options(2, "1e021d04 00000402"), "error 33 value 1d", "reset", true},
		{"option 29, then malformed", options(1, "1d021e05"), "error 1", "reset", true},
		{"info length 2", "01032263 01020000 00000000", "error 1", "reset", true},
		{"type 0 of length 0", "01022263 00000000", "error 2", "reset", false},
		{"type 128", "01022263 80010000", "error 2", "reset", true},
		{"type 191 past the end", "01022263 bf020000", "error 2", "reset", false},
		{"private length 0", "01022263 c8000000", "error 1", "reset", false},
		{"private twice", "01032263 c8010000 c8010000", "error 1", "reset", true},
		{"17 private tlvs", "01122263" + seventeen, "error 1", "reset", true},
		{"error, then tlv of length 0", "01032263 1e012000 1e000000", "error 1", "reset", false},
		{"first fault counts", "01032263 63010000 0a000000", "error 2", "reset", false},
		{"first of two in tlvs, type 99", "01032263 63010000 0a0101bb", "error 2", "reset", true},
		{"first of two in tlvs, connect", "01032263 0a0101bb 63010000", "error 1", "reset", true},
	}
}

func TestRejects(t *testing.T) {
	for _, r := range rejects() {
		for _, side := range []Side{FromClient, FromConverter} {
			t.Run(r.name+"/from "+side.String(), func(t *testing.T) {
				wire := unhex(t, r.hex)
				want := r.converter
				if side == FromConverter {
					want = r.client
				}
				var m Message
				n, err := m.Parse(wire, side)
				if got := reaction(err); got != want {
					t.Fatalf("want reaction %q, got %q (%v)", want, got, err)
				}
				if err == nil {
					return
				}
				e := err.(*SyntaxError)
				if e.Complete != r.complete {
					t.Errorf("want complete %v, got %v (%v)", r.complete, e.Complete, err)
				}
				if e.Complete && n != len(wire) {
					t.Errorf("want length %d, got %d", len(wire), n)
				}
				if e.Offset >= len(wire) {
					t.Errorf("offset %d is outside the message", e.Offset)
				}
				if !strings.HasPrefix(e.Error(), "convert: malformed ") {
					t.Errorf("error text %q", e.Error())
				}
				checkReply(t, e.Reply, wire)
			})
		}
	}
}

// checkReply reads the converter's answer as the client would.
func checkReply(t *testing.T, r Reply, received []byte) {
	t.Helper()
	b := r.Append(nil, append(received[:len(received):len(received)], "user data"...))
	if r.Action != SendError {
		if len(b) != 0 {
			t.Errorf("want no bytes for %q, got %x", r.Action, b)
		}
		return
	}
	var m Message
	n, err := m.Parse(b, FromConverter)
	if err != nil || n != len(b) || !m.HasError || m.Error.Code != r.Code {
		t.Fatalf("reply %x: %+v, %d, %v", b, m, n, err)
	}
	if echo, ok := m.Error.Echo(); ok && !bytes.Equal(echo, received) {
		t.Errorf("want echo %x, got %x", received, echo)
	}
	if list, ok := m.Error.List(); ok && !bytes.Equal(list, []byte{r.Value}) {
		t.Errorf("want list %x, got %x", r.Value, list)
	}
}

// TestReplyBytes spells some answers out.
func TestReplyBytes(t *testing.T) {
	tests := []struct{ name, hex, want string }{
		{"vector 11", loopbackRequest, "01082263 1e070100" + loopbackRequest},
		{"type 99", "01022263 63010000", "01042263 1e030200 01022263 63010000"},
		{"version 2", "02022263 0a0501bb", "01022263 1e010001"},
		{"tcp-ao", "01072263 0a0601bb 00000000 00000000 0000ffff cb00710a 1d020000", "01022263 1e01211d"},
		{"magic", "01022264 0a0501bb", ""},
		{"total length 0", "01002263 0a0501bb", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wire := unhex(t, tt.hex)
			var e *SyntaxError
			if _, err := new(Message).Parse(wire, FromClient); !errors.As(err, &e) {
				t.Fatalf("want a syntax error, got %v", err)
			}
			got := e.Reply.Append([]byte("before"), wire)
			if want := append([]byte("before"), unhex(t, tt.want)...); !bytes.Equal(got, want) {
				t.Errorf("want %x, got %x", want, got)
			}
		})
	}
}

// TestCompleteKeepsPrivate: a converter can authenticate a sender whose
// destination it must refuse, before it answers.
func TestCompleteKeepsPrivate(t *testing.T) {
	wire := unhex(t, "01082263"+loopbackRequest[8:]+"c8020102 03040506")
	var m Message
	n, err := m.Parse(wire, FromClient)
	raw, ok := m.Lookup(200)
	if reaction(err) != "error 1" || !err.(*SyntaxError).Complete || m.HasConnect || !ok {
		t.Fatalf("got %v, %+v", err, m)
	}
	if raw.Offset != 24 || raw.End() != n || raw.End() != len(wire) {
		t.Errorf("want 24 to %d, got %d to %d", n, raw.Offset, raw.End())
	}
}

func TestLength(t *testing.T) {
	tests := []struct {
		hex   string
		want  int
		short bool
		react string
	}{
		{"", 4, true, ""},
		{"0106", 4, true, ""},
		{"010622", 4, true, ""},
		{"01012263", 4, false, ""},
		{"01ff2263", 1020, false, ""},
		{"01002263", 0, false, "reset"},
		{"02062263", 0, false, "error 0 value 01"},
		{"010623", 0, false, "close"},
	}
	for _, tt := range tests {
		n, err := Length(unhex(t, tt.hex))
		if n != tt.want || (err == ErrShort) != tt.short || !tt.short && reaction(err) != tt.react {
			t.Errorf("%q: want %d, short %v, %q, got %d, %v", tt.hex, tt.want, tt.short, tt.react, n, err)
		}
	}
}
