package lookup

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// reply is the answer to a query: its first 12 bytes with these flags, the
// question, and records of (type, data), each by the name of the question.
func reply(query []byte, flags uint16, records ...any) []byte {
	b := append([]byte(nil), query...)
	binary.BigEndian.PutUint16(b[2:], flags)
	binary.BigEndian.PutUint16(b[6:], uint16(len(records)/2))
	for i := 0; i < len(records); i += 2 {
		data := records[i+1].([]byte)
		b = append(b, 0xc0, headerLen) // a pointer to the question
		b = binary.BigEndian.AppendUint16(b, uint16(records[i].(int)))
		b = append(b, 0, classIN, 0, 0, 0, 60)
		b = binary.BigEndian.AppendUint16(b, uint16(len(data)))
		b = append(b, data...)
	}
	return b
}

// serve answers each query with all that answer returns.
func serve(t *testing.T, answer func(query []byte) [][]byte) netip.AddrPort {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		buf := make([]byte, 512)
		for {
			n, from, err := c.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			for _, b := range answer(bytes.Clone(buf[:n])) {
				_, _ = c.WriteToUDPAddrPort(b, from)
			}
		}
	}()
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}

var (
	v4 = netip.MustParseAddr("203.0.113.1")
	v6 = netip.MustParseAddr("2001:db8:f::1")
)

// both answers as a name server does that follows an alias.
func both(query []byte) [][]byte {
	kind := binary.BigEndian.Uint16(query[len(query)-4:])
	alias := []byte("\x05alias\x07example\x00")
	if kind == typeA {
		return [][]byte{reply(query, 0x8180, 5, alias, typeA, v4.AsSlice())}
	}
	return [][]byte{reply(query, 0x8180, 5, alias, typeAAAA, v6.AsSlice())}
}

func TestAddresses(t *testing.T) {
	want := []netip.Addr{v4, v6}
	var asked atomic.Int64
	silent := serve(t, func([]byte) [][]byte { asked.Add(1); return nil })
	for name, servers := range map[string][]netip.AddrPort{
		"one":                        {serve(t, both)},
		"the first one is silent":    {silent, serve(t, both)},
		"the first one fails":        {serve(t, func(q []byte) [][]byte { return [][]byte{reply(q, 0x8182)} }), serve(t, both)},
		"somebody else answers also": {serve(t, func(q []byte) [][]byte { return append([][]byte{{}, {1}, other(q)}, both(q)...) })},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Resolver{Servers: servers, Timeout: 200 * time.Millisecond}.Addresses("vm.example")
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%v, %v, want %v", got, err, want)
			}
		})
	}
	if asked.Load() == 0 {
		t.Error("the silent one was not asked")
	}
}

// other is an answer with another id, and another address.
func other(query []byte) []byte {
	b := reply(query, 0x8180, typeA, []byte{198, 51, 100, 66})
	b[0]++
	return b
}

func TestAddressesFails(t *testing.T) {
	for name, tt := range map[string]struct {
		answer func([]byte) [][]byte
		want   error
	}{
		"no such name": {func(q []byte) [][]byte { return [][]byte{reply(q, 0x8183)} }, errNoName},
		"refused":      {func(q []byte) [][]byte { return [][]byte{reply(q, 0x8185)} }, errServer},
		"truncated":    {func(q []byte) [][]byte { return [][]byte{reply(q, 0x8380, typeA, v4.AsSlice())} }, errTruncated},
		"no address":   {func(q []byte) [][]byte { return [][]byte{reply(q, 0x8180)} }, nil},
		"silence":      {func([]byte) [][]byte { return nil }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Resolver{Servers: []netip.AddrPort{serve(t, tt.answer)}, Timeout: 20 * time.Millisecond}.Addresses("vm.example")
			if err == nil || !strings.Contains(err.Error(), "vm.example") || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("%v, %v, want %v", got, err, tt.want)
			}
		})
	}
	if _, err := (Resolver{Servers: []netip.AddrPort{}}).Addresses("vm.example"); err == nil {
		t.Error("found something without a server")
	}
}

func TestNameServers(t *testing.T) {
	for text, want := range map[string]string{
		"": "[127.0.0.1:53]",
		"# x\nsearch lan\nnameserver 192.0.2.1\n nameserver 2001:db8::1 # y\nnameserver printer\n": "[192.0.2.1:53 [2001:db8::1]:53]",
	} {
		var got []string
		for _, s := range nameServers(text) {
			got = append(got, s.String())
		}
		if s := "[" + strings.Join(got, " ") + "]"; s != want {
			t.Errorf("%q: %s, want %s", text, s, want)
		}
	}
}

func FuzzParseAnswer(f *testing.F) {
	query, err := appendQuery(nil, 7, "vm.example", typeA)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(both(query)[0])
	f.Add(reply(query, 0x8183))
	f.Add(append(reply(query, 0x8180, typeA, v4.AsSlice()), 0xc0))
	f.Fuzz(func(t *testing.T, b []byte) {
		addrs, err := parseAnswer(b, query)
		if err != nil && len(addrs) > 0 {
			t.Error("addresses beside an error")
		}
		for _, a := range addrs {
			if !bytes.Contains(b, a.AsSlice()) {
				t.Errorf("%s is not in the answer", a)
			}
		}
	})
}
