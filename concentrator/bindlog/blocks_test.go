package bindlog

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"
)

func TestBlocks(t *testing.T) {
	c := newClock()
	var got records
	b := NewBlocks(Range{Low: 1000, High: 1031, Reserved: []Range{{Low: 1009, High: 1009}}}, 8, &got, c.now)
	pick := func(client string) uint16 {
		t.Helper()
		port, ok := b.Pick(client, here)
		if !ok {
			t.Fatalf("%s gets no port", client)
		}
		if port >= 1008 && port < 1016 {
			t.Errorf("%s gets %d: its block holds a reserved port", client, port)
		}
		return port
	}
	block := func(port uint16) uint16 { return (port - 1000) / 8 }
	first := pick("a")
	seen := map[uint16]bool{first: true}
	for range 7 {
		p := pick("a")
		if block(p) != block(first) || seen[p] {
			t.Errorf("port %d after %v: want each of the first block once", p, seen)
		}
		seen[p] = true
	}
	if p := pick("a"); block(p) == block(first) {
		t.Errorf("port %d: want one of another block, this one's ports were used within the minute", p)
	}
	if p := pick("b"); block(p) == block(first) {
		t.Errorf("b gets a's %d", p)
	}
	if _, ok := b.Pick("c", here); ok {
		t.Error("c gets a port, and all blocks are others'")
	}
	pick("a") // goes on, on ports that it has
	for port := range seen {
		b.Release("a", at(port))
	}
	c.add(Quarantine - 1)
	if who, inUse, ok := b.Who(at(first)); who != "a" || !ok {
		t.Errorf("who: %q %v %v", who, inUse, ok)
	}
	if n := len(got); n != 3 {
		t.Errorf("%d records, want the 3 of the blocks' begin", n)
	}
	for _, bad := range []uint16{0, 999, 1008, 1032} {
		b.Release("a", at(bad))
		if who, _, ok := b.Who(at(bad)); ok {
			t.Errorf("port %d is %s's", bad, who)
		}
	}
}

// A block is its client's over a restart, for as long as it would have been,
// whatever the size of blocks is then.
func TestBlocksKept(t *testing.T) {
	for _, size := range []int{1, 8, 16} {
		c := newClock()
		folder := t.TempDir()
		var before, after records
		ports := Range{Low: 1000, High: 1031}
		b := NewBlocks(ports, 8, &before, c.now)
		port, _ := b.Pick("a", here)
		b.Release("a", at(port))
		c.add(time.Minute)
		if err := b.Save(folder); err != nil {
			t.Fatal(err)
		}
		if r := before; len(r) != 2 || r[1].End.IsZero() || r[1].Last-r[1].External.Port() != 7 {
			t.Errorf("records %+v: want a begin and an end", r)
		}
		next := NewBlocks(ports, size, &after, c.now)
		var restored Allocator = next
		if size == 1 {
			restored = NewPorts(ports, c.now)
		}
		if err := restored.Restore(folder, false); err != nil {
			t.Fatal(err)
		}
		c.add(Quarantine - time.Minute - 1)
		if who, _, ok := restored.Who(at(port)); who != "a" || !ok {
			t.Errorf("blocks of %d: who: %q %v", size, who, ok)
		}
		c.add(1)
		if who, _, ok := restored.Who(at(port)); ok {
			t.Errorf("blocks of %d: still %q's", size, who)
		}
	}
}

func TestFind(t *testing.T) {
	const log = `time=2026-11-24T12:00:00Z level=INFO msg=started version=1
time=2026-11-24T12:00:01Z level=INFO msg=binding client=a external=203.0.113.1:1024-1055 start=2026-11-24T12:00:01.000Z
Nov 24 12:10:00 vm tandem-concentrator[7]: binding client=a external=203.0.113.1:1024-1055 start=2026-11-24T12:00:01.000Z end=2026-11-24T12:10:00.000Z
Nov 24 12:20:00 vm tandem-concentrator[7]: binding client=b external=203.0.113.1:1024-1055 start=2026-11-24T12:20:00.000Z
time=2026-11-24T12:30:00Z level=INFO msg=started version=1
Nov 24 12:40:00 vm tandem-concentrator[7]: binding client=c external=203.0.113.1:1024-1055 start=2026-11-24T12:40:00.000Z
time=2026-11-24T12:41:00Z level=INFO msg=binding client=d external=[2001:db8::1]:2000 start=2026-11-24T12:40:00.000Z end=2026-11-24T12:41:00.000Z
time=2026-11-24T12:41:00Z level=INFO msg=binding client=e external=203.0.113.1:nonsense start=x
`
	for _, tt := range []struct{ external, at, want string }{
		{"203.0.113.1:1024", "12:00:00", ""},
		{"203.0.113.1:1024", "12:00:01", "a"},
		{"203.0.113.1:1055", "12:10:00", "a"},
		{"203.0.113.1:1056", "12:10:00", ""},
		{"203.0.113.2:1024", "12:10:00", ""},
		{"203.0.113.1:1040", "12:15:00", ""},
		{"203.0.113.1:1040", "12:25:00", "b"},
		{"203.0.113.1:1040", "12:35:00", "b"}, // a late packet, perhaps
		{"203.0.113.1:1040", "12:50:00", "c"},
		{"[2001:db8::1]:2000", "12:40:30", "d"},
		{"[2001:db8::1]:2000", "12:50:00", ""},
	} {
		when, err := time.Parse(time.RFC3339, "2026-11-24T"+tt.at+"Z")
		if err != nil {
			t.Fatal(err)
		}
		got, ok, err := Find(bytes.NewReader([]byte(log)), netip.MustParseAddrPort(tt.external), when)
		if got != tt.want || ok != (tt.want != "") || err != nil {
			t.Errorf("%s at %s: %q %v %v, want %q", tt.external, tt.at, got, ok, err, tt.want)
		}
	}
}

// The cost of a port does not grow with the number of clients.
func BenchmarkBlocks(b *testing.B) {
	for _, clients := range []int{100, 10_000, 100_000} {
		b.Run(fmt.Sprint(clients, " clients"), func(b *testing.B) {
			var log records
			blocks := NewBlocks(Range{Low: 1024, High: 65535}, 16, &log, nil)
			names := make([]string, clients)
			addresses := make([]netip.Addr, 64)
			for i := range names {
				names[i] = fmt.Sprint("client-", i)
			}
			for i := range addresses {
				addresses[i] = netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})
			}
			b.ResetTimer()
			for i := 0; b.Loop(); i++ {
				n := i % clients
				a := addresses[n%len(addresses)]
				if port, ok := blocks.Pick(names[n], a); ok {
					blocks.Release(names[n], netip.AddrPortFrom(a, port))
				}
			}
		})
	}
}
