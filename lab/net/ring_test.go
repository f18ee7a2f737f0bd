package labnet

import (
	"encoding/binary"
	"testing"
)

func TestRingKeepsOrderAndBuffers(t *testing.T) {
	var r ring
	next, sum := uint32(0), uint32(0)
	push := func(n int) {
		for range n {
			buf := r.spare()
			binary.BigEndian.PutUint32(buf, next)
			r.push(packet{data: buf[:100]})
			next++
		}
	}
	pop := func(n int) {
		for range n {
			if got := binary.BigEndian.Uint32(r.head().data); got != sum {
				t.Fatalf("got packet %d, want %d", got, sum)
			}
			r.pop()
			sum++
		}
	}
	push(50)
	pop(40)
	push(500) // grows while wrapped
	if r.bytes != 510*100 {
		t.Errorf("holds %d bytes, want 51000", r.bytes)
	}
	pop(500)
	if n := r.drop(); n != 10 || r.head() != nil || r.bytes != 0 {
		t.Errorf("dropped %d and left %d bytes, want 10 and 0", n, r.bytes)
	}
	if allocs := testing.AllocsPerRun(100, func() { push(1); r.pop() }); allocs != 0 {
		t.Errorf("%v allocations per packet", allocs)
	}
}
