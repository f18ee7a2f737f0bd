package labnet

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// segment builds a TCP packet with correct lengths and checksums.
func segment(version int, flags byte, options, payload []byte) []byte {
	tcp := make([]byte, 20, 20+len(options)+len(payload))
	copy(tcp, []byte{0x12, 0x34, 0x14, 0x04, 1, 2, 3, 4, 5, 6, 7, 8, byte(20+len(options)) << 2, flags, 0xff, 0xff})
	tcp = append(append(tcp, options...), payload...)
	var pkt []byte
	if version == 4 {
		pkt = append([]byte{0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 6, 0, 0, 198, 51, 100, 2, 203, 0, 113, 1}, tcp...)
		binary.BigEndian.PutUint16(pkt[2:], uint16(len(pkt)))
		binary.BigEndian.PutUint16(pkt[10:], ^fold(sum(pkt[:20])))
	} else {
		pkt = make([]byte, 40, 40+len(tcp))
		pkt[0], pkt[6], pkt[7], pkt[8], pkt[24], pkt[39] = 0x60, 6, 64, 0x20, 0x20, 1
		pkt = append(pkt, tcp...)
		binary.BigEndian.PutUint16(pkt[4:], uint16(len(tcp)))
	}
	p, ok := parseTCP(pkt)
	if !ok {
		panic("segment built wrong")
	}
	p.fixChecksum()
	return pkt
}

var (
	capable = []byte{2, 4, 5, 0xb4, 30, 4, 0x01, 0x01, 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2}
	join    = []byte{30, 12, 0x10, 1, 1, 2, 3, 4, 5, 6, 7, 8}
	oddMP   = []byte{1, 30, 4, 0x01, 0x01, 1, 1, 0}
)

func TestStrip(t *testing.T) {
	nop := func(b []byte, from, to int) []byte {
		b = append([]byte(nil), b...)
		for i := from; i < to; i++ {
			b[i] = optionNop
		}
		return b
	}
	data := []byte("GET / HTTP/1.1\r\n\r\nx")
	tests := []struct {
		name    string
		strip   Strip
		flags   byte
		options []byte
		payload []byte
		// want
		wantOptions []byte
		wantPayload []byte
	}{
		{"syn data", Strip{SYNData: true}, flagSYN, capable, data, capable, nil},
		{"data of a syn+ack stays", Strip{SYNData: true}, flagSYN | flagACK, capable, data, capable, data},
		{"data of an ack stays", Strip{SYNData: true}, flagACK, nil, data, nil, data},
		{"empty syn", Strip{SYNData: true}, flagSYN, capable, nil, capable, nil},
		{"mptcp of a syn", Strip{MPTCP: true}, flagSYN, capable, data, nop(capable, 4, 8), data},
		{"mptcp of a join", Strip{MPTCP: true}, flagSYN, join, nil, nop(join, 0, 12), nil},
		{"mptcp of an ack, at an odd offset", Strip{MPTCP: true}, flagACK, oddMP, data, nop(oddMP, 1, 5), data},
		{"both", Strip{SYNData: true, MPTCP: true}, flagSYN, capable, data, nop(capable, 4, 8), nil},
		{"no mptcp", Strip{MPTCP: true}, flagACK, []byte{1, 1, 1, 0}, data, []byte{1, 1, 1, 0}, data},
		{"option of length 0", Strip{MPTCP: true}, flagACK, []byte{30, 0, 1, 1}, data, []byte{30, 0, 1, 1}, data},
		{"option past the header", Strip{MPTCP: true}, flagACK, []byte{30, 5, 1, 1}, data, []byte{30, 5, 1, 1}, data},
	}
	for _, tt := range tests {
		for _, version := range []int{4, 6} {
			got := tt.strip.apply(segment(version, tt.flags, tt.options, tt.payload))
			want := segment(version, tt.flags, tt.wantOptions, tt.wantPayload)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, IPv%d (-want +got):\n%s", tt.name, version, diff)
			}
		}
	}
}

// TestFixChecksum checks against a segment whose checksum was computed by hand.
func TestFixChecksum(t *testing.T) {
	pkt := []byte{
		0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2,
		0, 80, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, flagSYN, 0, 0, 0, 0, 0, 0,
	}
	p, _ := parseTCP(pkt)
	p.fixChecksum()
	// c000+0201+c000+0202+0006+0014 + 0050+0050+5002 = 1 d4bf → d4c0 → ^ = 2b3f
	if got := binary.BigEndian.Uint16(pkt[36:]); got != 0x2b3f {
		t.Errorf("got %#x, want 0x2b3f", got)
	}
}

func TestStatsOfSYNs(t *testing.T) {
	var s Stats
	s.sent(segment(4, flagSYN, capable, []byte("12345")))
	s.sent(segment(6, flagSYN, join, nil))
	s.sent(segment(4, flagSYN, nil, []byte("123")))
	s.sent(segment(4, flagSYN|flagACK, capable, nil))
	s.sent(segment(4, flagACK, nil, make([]byte, 1000)))
	s.sent([]byte{0x45, 0, 0})
	want := Stats{
		SentPackets: 6, SentBytes: 65 + 72 + 43 + 60 + 1040 + 3,
		SYNs: 3, CapableSYNs: 1, JoinSYNs: 1, SYNPayload: 8, CapableSYNPayload: 5, TCPPayload: 1008,
	}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzStrip(f *testing.F) {
	f.Add(segment(4, flagSYN, capable, []byte("data")))
	f.Add(segment(6, flagSYN, join, []byte("data")))
	f.Add(segment(4, flagACK, oddMP, nil))
	f.Fuzz(func(t *testing.T, pkt []byte) {
		n := len(pkt)
		new(Stats).sent(pkt)
		isGroupReport(pkt)
		if got := (Strip{SYNData: true, MPTCP: true}).apply(pkt); len(got) > n {
			t.Errorf("grew from %d to %d bytes", n, len(got))
		}
	})
}
