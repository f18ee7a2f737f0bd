package convert

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var equateMessages = cmp.Options{cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.AddrPort{})}

// unhex takes hexadecimal digits with spaces between them.
func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

const (
	connectTLV      = "0a0501bb 00000000 00000000 0000ffff cb00710a"
	cookie16        = "00112233 44556677 8899aabb ccddeeff"
	synAckOptions   = "020405b4 0402080a 11223344 55667788 01030307"
	loopbackRequest = "01062263 0a050050 00000000 00000000 0000ffff 7f000001"
)

// vector is a worked example: a message that is well formed when sent by one
// side, or by both, and what the other side's message is refused for.
type vector struct {
	name   string
	hex    string
	client string // what a converter that gets it does: "" takes it
	conv   string // what a client that gets it does: "" takes it
	want   Message
}

func vectors(tb testing.TB) []vector {
	base := Connect{Addr: netip.MustParseAddrPort("203.0.113.10:443")}
	return []vector{
		{"01 connect v4", "01062263" + connectTLV, "", "",
			Message{HasConnect: true, Connect: base}},
		{"02 connect v6", "01062263 0a0501bb 20010db8 00000000 00000000 00000080", "", "",
			Message{HasConnect: true, Connect: Connect{Addr: netip.MustParseAddrPort("[2001:db8::80]:443")}}},
		{"03 connect and cookie", "010b2263" + connectTLV + "16050000" + cookie16, "", "reset",
			Message{HasConnect: true, Connect: base, HasCookie: true, Cookie: unhex(tb, cookie16)}},
		{"04 extended connect", "01082263 0a0701bb 00000000 00000000 0000ffff cb00710a 1e020402 08020000", "", "",
			Message{HasConnect: true, Connect: Connect{Addr: base.Addr, Options: unhex(tb, "1e0204020802")}}},
		{"05 header only", "01012263", "error 1", "",
			Message{}},
		{"06 extended tcp header", "01072263 14060000" + synAckOptions, "error 1", "",
			Message{HasExtendedHeader: true, ExtendedHeader: unhex(tb, synAckOptions)}},
		{"07 info", "01022263 01010000", "", "reset",
			Message{Info: true}},
		{"08 supported 30", "01032263 15020000 1e000000", "error 1", "",
			Message{HasSupported: true, Supported: []byte{30}}},
		{"09 supported five", "01042263 15030000 04081e22 1c000000", "error 1", "",
			Message{HasSupported: true, Supported: []byte{4, 8, 30, 34, 28}}},
		{"10 error 0", "01022263 1e010001", "error 1", "",
			ErrorMessage(UnsupportedVersion, []byte{1})},
		{"11 error 1", "01082263 1e070100" + loopbackRequest, "error 1", "",
			ErrorMessage(MalformedMessage, unhex(tb, "00"+loopbackRequest))},
		{"12 error 3", "01062263 1e050300" + cookie16, "error 1", "",
			ErrorMessage(MissingCookie, unhex(tb, "00"+cookie16))},
		{"13 error 32", "01022263 1e012000", "error 1", "",
			ErrorMessage(NotAuthorized, []byte{0})},
		{"14 error 33", "01032263 1e02211d 22fd0000", "error 1", "",
			ErrorMessage(UnsupportedTCPOption, []byte{29, 34, 253, 0, 0})},
		{"15 error 64", "01022263 1e014078", "error 1", "",
			ErrorMessage(ResourceExceeded, []byte{120})},
		{"16 error 96", "01022263 1e016000", "error 1", "",
			ErrorMessage(ConnectionReset, []byte{0})},
		{"17 error 97", "01022263 1e016101", "error 1", "",
			ErrorMessage(DestinationUnreachable, []byte{1})},
		{"18 connect and private", "01082263" + connectTLV + "c8020102 03040500", "", "",
			Message{HasConnect: true, Connect: base,
				Private: []Raw{{Type: 200, Offset: 24, Value: unhex(tb, "010203040500")}}}},
	}
}

func TestVectors(t *testing.T) {
	for _, v := range vectors(t) {
		for _, side := range []Side{FromClient, FromConverter} {
			t.Run(v.name+"/from "+side.String(), func(t *testing.T) {
				wire := unhex(t, v.hex)
				var got Message
				n, err := got.Parse(append(wire[:len(wire):len(wire)], "user data"...), side)
				if n != len(wire) {
					t.Errorf("want length %d, got %d", len(wire), n)
				}
				want := v.client
				if side == FromConverter {
					want = v.conv
				}
				if reaction(err) != want {
					t.Fatalf("want reaction %q, got %q (%v)", want, reaction(err), err)
				}
				if err != nil {
					return
				}
				if d := cmp.Diff(v.want, got, equateMessages); d != "" {
					t.Errorf("message (-want +got):\n%s", d)
				}
				back, err := got.Append(nil)
				if err != nil || !bytes.Equal(back, wire) {
					t.Errorf("append: want %x, got %x, %v", wire, back, err)
				}
				for k := range wire {
					need, err := got.Parse(wire[:k], side)
					wantNeed := len(wire)
					if k < HeaderLen {
						wantNeed = HeaderLen
					}
					if err != ErrShort || need != wantNeed {
						t.Fatalf("first %d bytes: want %d, ErrShort, got %d, %v", k, wantNeed, need, err)
					}
				}
			})
		}
		t.Run(v.name+"/append", func(t *testing.T) {
			got, err := v.want.Append([]byte("before"))
			if want := append([]byte("before"), unhex(t, v.hex)...); err != nil || !bytes.Equal(got, want) {
				t.Errorf("want %x, got %x, %v", want, got, err)
			}
		})
	}
}
