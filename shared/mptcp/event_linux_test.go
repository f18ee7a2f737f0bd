package mptcp

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// message builds a generic netlink message of type and value pairs.
func message(command byte, pairs ...any) []byte {
	b := []byte{command, 1, 0, 0}
	for i := 0; i < len(pairs); i += 2 {
		var value []byte
		switch v := pairs[i+1].(type) {
		case []byte:
			value = v
		case uint8:
			value = []byte{v}
		default:
			value, _ = binary.Append(nil, binary.NativeEndian, v)
		}
		b = binary.NativeEndian.AppendUint16(b, uint16(4+len(value)))
		b = binary.NativeEndian.AppendUint16(b, uint16(pairs[i].(int)))
		b = append(b, value...)
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
	}
	return b
}

func TestParseEvent(t *testing.T) {
	v4, v6 := addrA1.As4(), addr6A.As16()
	mapped := addrA1.As16()
	be := func(v uint16) []byte { return binary.BigEndian.AppendUint16(nil, v) }
	tests := []struct {
		name string
		in   []byte
		want Event
		bad  bool
	}{
		{"empty", nil, Event{}, true},
		{"header only", message(1), Event{Type: EventCreated}, false},
		{"subflow closed", message(11, evToken, uint32(0xabcd0123), evSaddr4, v4[:], evSport, be(1234), evDaddr4, v4[:], evDport, be(5124),
			evBackup, uint8(1), evIfIdx, uint32(7), evLocID, uint8(2), evRemID, uint8(3), evError, uint8(110), evResetReason, uint32(4), evResetFlags, uint32(1)),
			Event{Type: EventSubflowClosed, Token: 0xabcd0123, Local: netip.AddrPortFrom(addrA1, 1234), Remote: netip.AddrPortFrom(addrA1, 5124),
				LocalID: 2, RemoteID: 3, IfIndex: 7, Backup: true, Error: unix.ETIMEDOUT, HasReset: true, ResetReason: 4, ResetTransient: true}, false},
		{"reset reason 0", message(11, evResetReason, uint32(0)), Event{Type: EventSubflowClosed, HasReset: true}, false},
		{"IPv6", message(6, evDaddr6, v6[:]), Event{Type: EventAnnounced, Remote: netip.AddrPortFrom(addr6A, 0)}, false},
		{"IPv4-mapped", message(6, evDaddr6, mapped[:]), Event{Type: EventAnnounced, Remote: netip.AddrPortFrom(addrA1, 0)}, false},
		{"server side as attribute", message(1, evServerSide, uint8(1)), Event{Type: EventCreated, ServerSide: true}, false},
		{"server side as flag", message(1, evServerSide, uint8(0), evFlags, uint16(3)), Event{Type: EventCreated, ServerSide: true, DenyJoinID0: true}, false},
		{"unknown attribute", message(1, 999, uint32(1)), Event{Type: EventCreated}, false},
		{"short values", message(1, evToken, uint8(1), evSport, uint8(1), evSaddr4, uint8(1)), Event{Type: EventCreated}, false},
		{"length 0", []byte{1, 1, 0, 0, 0, 0, 0, 0}, Event{}, true},
		{"length past the end", []byte{1, 1, 0, 0, 9, 0, 1, 0, 0}, Event{}, true},
		{"last one without padding", message(1, evBackup, uint8(1))[:9], Event{Type: EventCreated, Backup: true}, false},
	}
	for _, tt := range tests {
		got, err := parseEvent(tt.in)
		if got != tt.want || (err != nil) != tt.bad {
			t.Errorf("%s: got %+v, %v; want %+v", tt.name, got, err, tt.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	v4 := addrA1.As4()
	f.Add(message(11, evToken, uint32(1), evSaddr4, v4[:], evSport, uint16(3), evBackup, uint8(1)))
	f.Add(message(3, addrAttrID, uint8(1), addrAttrAddr4, v4[:], addrAttrFlags, uint32(2)))
	f.Add([]byte{1, 1, 0, 0, 5, 0, 11, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		n := len(b)
		e, err := parseEvent(b[:n:n])
		if err != nil && e != (Event{}) {
			t.Errorf("error with %+v", e)
		}
		_, _ = parseEndpoint(b[:n:n])
	})
}
