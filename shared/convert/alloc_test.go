package convert

import (
	"bytes"
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"unsafe"
)

var connectAddr = netip.MustParseAddrPort("203.0.113.10:443")

func TestNoAllocations(t *testing.T) {
	wire := unhex(t, "01082263"+connectTLV+"c8020102 03040500")
	out, buf := make([]byte, 0, MaxMessage), make([]byte, MaxMessage)
	var m Message
	r := bytes.NewReader(wire)
	tests := map[string]func(){
		"append connect": func() { out, _ = AppendConnect(out[:0], connectAddr) },
		"append":         func() { out, _ = m.Append(out[:0]) },
		"append echo":    func() { out = AppendEcho(out[:0], MalformedMessage, wire) },
		"parse":          func() { m.Parse(wire, FromClient) },
		"parse short":    func() { m.Parse(wire[:30], FromClient) },
		"read": func() {
			r.Reset(wire)
			if n, _, err := ReadMessage(r, buf, &m, FromClient); n != len(wire) || err != nil {
				t.Fatal(n, err)
			}
		},
	}
	for _, v := range vectors(t) {
		side, b := FromClient, unhex(t, v.hex)
		if v.client != "" {
			side = FromConverter
		}
		tests["parse "+v.name] = func() { m.Parse(b, side) }
	}
	m.Parse(wire, FromClient) // the Private slice
	for name, f := range tests {
		if got := testing.AllocsPerRun(100, f); got != 0 {
			t.Errorf("%s: want 0 allocations, got %v", name, got)
		}
	}
}

// TestMemoryBound: whatever a peer sends, one parse into a new Message
// allocates less than the message could be long.
func TestMemoryBound(t *testing.T) {
	full := unhex(t, "01ff2263")
	for i := 0; len(full) < MaxMessage; i++ {
		full = append(full, byte(192+i%64), 1, 0, 0)
	}
	worst := map[string][]byte{"all private types": full}
	for _, r := range rejects() {
		worst[r.name] = unhex(t, r.hex)
	}
	for _, n := range []int{1, 4, 5, MaxPrivate} {
		b := []byte{Version, byte(n + 1), Magic >> 8, Magic & 0xff}
		for i := range n {
			b = append(b, byte(192+i), 1, 0, 0)
		}
		worst[fmt.Sprintf("%d private tlvs", n)] = b
	}
	for name, b := range worst {
		if got := allocated(func() { escape = new(Message); escape.Parse(b, FromClient) }); got > MaxMessage {
			t.Errorf("%s: want at most %d bytes, got %d", name, MaxMessage, got)
		}
	}
}

var escape *Message

// allocated is the bytes that one call of f allocates, without the Message.
func allocated(f func()) int {
	const runs = 200
	var before, after runtime.MemStats
	f()
	runtime.ReadMemStats(&before)
	for range runs {
		f()
	}
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc-before.TotalAlloc)/runs - int(unsafe.Sizeof(Message{}))
}

func BenchmarkAppendConnect(b *testing.B) {
	out := make([]byte, 0, MaxMessage)
	b.ReportAllocs()
	for b.Loop() {
		out, _ = AppendConnect(out[:0], connectAddr)
	}
}

func BenchmarkAppendMessage(b *testing.B) {
	out := make([]byte, 0, MaxMessage)
	m := Message{HasConnect: true, Connect: Connect{Addr: connectAddr}, Private: []Raw{{Type: 200, Value: make([]byte, 42)}}}
	b.ReportAllocs()
	for b.Loop() {
		out, _ = m.Append(out[:0])
	}
}

func BenchmarkParseConnect(b *testing.B) {
	wire := unhex(b, "01062263"+connectTLV)
	var m Message
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Parse(wire, FromClient); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseConnectPrivate(b *testing.B) {
	wire := unhex(b, "01082263"+connectTLV+"c8020102 03040500")
	var m Message
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Parse(wire, FromClient); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParseGarbage is the price of a connection that is not Convert.
func BenchmarkParseGarbage(b *testing.B) {
	wire := []byte("GET / HTTP/1.1\r\n\r\n")
	var m Message
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Parse(wire, FromClient); err == nil {
			b.Fatal("taken")
		}
	}
}
