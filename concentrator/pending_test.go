package main

import (
	"net"
	"net/netip"
	"testing"

	"tandem/shared/relay"
)

func TestPending(t *testing.T) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn := func() *relay.Socket {
		c, err := net.DialTCP("tcp", nil, l.Addr().(*net.TCPAddr))
		if err != nil {
			t.Fatal(err)
		}
		return taken(t, c)
	}
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	six1, six2 := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2") // one household
	var p pendingConns
	in := map[int]*pendingConn{}
	for i, st := range []struct {
		source netip.Addr
		leave  int  // step whose connection leaves
		in     bool // else: its source has enough
		evicts int  // step whose connection made room
	}{
		1:  {source: a, in: true},
		2:  {source: a, in: true},
		3:  {source: a}, // 2 a source
		4:  {source: b, in: true},
		5:  {source: six1, in: true},
		6:  {source: six2, in: true},
		7:  {source: b, in: true, evicts: 1}, // 5 in all
		8:  {source: six1},                   // 2 a household
		9:  {leave: 5},
		10: {leave: 5}, // counts once
		11: {source: six2, in: true},
		12: {leave: 2},
		13: {source: a, in: true},
		14: {source: a, in: true, evicts: 4},
	} {
		switch {
		case i == 0:
			continue
		case st.leave > 0:
			p.leave(in[st.leave])
			continue
		}
		e := p.enter(conn(), st.source, 5, 2)
		if (e != nil) != st.in {
			t.Errorf("step %d: entered %v, want %v", i, e != nil, st.in)
		}
		if e != nil {
			in[i] = e
		}
		if st.evicts > 0 {
			if gone := in[st.evicts]; !gone.left || gone.conn.Close() == nil {
				t.Errorf("step %d: the connection of step %d is still there", i, st.evicts)
			}
		}
	}
	if p.count() != 5 {
		t.Errorf("%d in the table, want 5", p.count())
	}
	for _, e := range in {
		p.leave(e)
	}
	if p.count() != 0 || len(p.source) != 0 || p.oldest != nil || p.newest != nil {
		t.Errorf("%d left, %v", p.count(), p.source)
	}
}
