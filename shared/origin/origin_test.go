package origin

import (
	"encoding/hex"
	"net/netip"
	"testing"

	"tandem/shared/convert"
)

func TestBytes(t *testing.T) {
	connect := convert.Connect{Addr: netip.MustParseAddrPort("203.0.113.10:443")}
	for _, tt := range []struct {
		name, want string
		message    convert.Message
		side       convert.Side
	}{
		{"wanted", "01022263" + "cc010101",
			convert.Message{Private: []convert.Raw{Wanted()}}, convert.FromConverter},
		{"IPv4 host", "010b2263" + "0a0501bb00000000000000000000ffffcb00710a" + "cc05010000000000000000000000ffffc000020a",
			convert.Message{HasConnect: true, Connect: connect, Private: []convert.Raw{Of(netip.MustParseAddr("192.0.2.10"))}}, convert.FromClient},
		{"IPv6 host", "010b2263" + "0a0501bb00000000000000000000ffffcb00710a" + "cc05010020010db8000100000000000000000010",
			convert.Message{HasConnect: true, Connect: connect, Private: []convert.Raw{Of(netip.MustParseAddr("2001:db8:1::10"))}}, convert.FromClient},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, err := tt.message.Append(nil)
			if got := hex.EncodeToString(b); err != nil || got != tt.want {
				t.Fatalf("%s, %v; want %s", got, err, tt.want)
			}
			var m convert.Message
			if _, err := m.Parse(b, tt.side); err != nil {
				t.Fatal(err)
			}
			if IsWanted(&m) != (tt.side == convert.FromConverter) || Host(&m).IsValid() != (tt.side == convert.FromClient) {
				t.Errorf("wanted %v, host %v", IsWanted(&m), Host(&m))
			}
		})
	}
}

// What is no such TLV names no host and asks for none.
func TestOthers(t *testing.T) {
	for _, value := range [][]byte{nil, {1}, {1, 2}, {2, 1}, make([]byte, 18), {1, 0}, append([]byte{1, 1}, make([]byte, 16)...)} {
		m := convert.Message{Private: []convert.Raw{{Type: Type, Value: value}}}
		if IsWanted(&m) || Host(&m).IsValid() {
			t.Errorf("%x: wanted %v, host %v", value, IsWanted(&m), Host(&m))
		}
	}
}
