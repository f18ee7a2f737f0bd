package mptcp

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestInspect(t *testing.T) {
	newLab(t)
	secondPath(t, 0)
	client, server := pair(t, listenMPTCP(t), Dialer{})
	eventually(t, "second subflow", hasExtraSubflow(client))
	const size = 1 << 20
	go func() {
		_, _ = client.Write(make([]byte, size))
		_ = client.CloseWrite()
	}()
	n, err := io.Copy(io.Discard, server)
	if n != size || err != nil {
		t.Fatalf("%d bytes, %v", n, err)
	}
	c, err := Inspect(client)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Inspect(server)
	if err != nil {
		t.Fatal(err)
	}
	if c.Fallback || c.Token == 0 || c.Token == s.Token || c.ExtraSubflows != 1 || c.TotalSubflows != 2 || c.SubflowsMax != 8 {
		t.Errorf("client: %+v", c)
	}
	if c.BytesSent < size+1 || s.BytesReceived < size+1 || c.BytesReceived != 1 || !c.RemoteKeyReceived {
		t.Errorf("counters: client %+v server %+v", c, s)
	}
	if c.LastDataSent < 0 || c.LastDataSent > 10*time.Second {
		t.Errorf("last data sent %v ago", c.LastDataSent)
	}
}

func TestSubflows(t *testing.T) {
	newLab(t)
	secondPath(t, 0)
	client, server := pair(t, listenMPTCP(t), Dialer{})
	eventually(t, "second subflow", hasExtraSubflow(client))
	eventually(t, "second subflow", hasExtraSubflow(server))
	local := client.LocalAddr().(*net.TCPAddr).AddrPort()
	remote := netip.AddrPortFrom(addrB1, port)
	ways := map[string]func(fd uintptr) ([]Subflow, error){"full": fullInfo, "separate": separateInfo}
	for name, way := range ways {
		var subflows, peers []Subflow
		read := func(c *net.TCPConn, to *[]Subflow) {
			if err := control(c, func(fd uintptr) (err error) { *to, err = way(fd); return err }); err != nil {
				t.Fatal(err)
			}
		}
		read(client, &subflows)
		read(server, &peers)
		if len(subflows) != 2 || len(peers) != 2 {
			t.Fatalf("%s: %d and %d subflows", name, len(subflows), len(peers))
		}
		if subflows[0].Local != local || subflows[0].Remote != remote {
			t.Errorf("%s: first subflow %v %v", name, subflows[0].Local, subflows[0].Remote)
		}
		if subflows[1].Local.Addr() != addrA2 || subflows[1].Remote != remote {
			t.Errorf("%s: second subflow %v %v", name, subflows[1].Local, subflows[1].Remote)
		}
		for i, s := range subflows {
			if s.State != StateEstablished || s.RTT <= 0 || s.RTT > time.Second || s.MSS == 0 || s.Cwnd == 0 {
				t.Errorf("%s: %+v", name, s)
			}
			if peers[i].Local != s.Remote || peers[i].Remote != s.Local {
				t.Errorf("%s: peer has %v %v", name, peers[i].Local, peers[i].Remote)
			}
		}
		if name == "full" && (subflows[0].ID == 0 || subflows[1].ID == 0 || subflows[0].ID == subflows[1].ID) {
			t.Errorf("ids %d %d", subflows[0].ID, subflows[1].ID)
		}
	}
}

func TestSubflowsIPv6(t *testing.T) {
	newLab(t)
	l := listen(t, ListenConfig{MPTCP: true}, addr6B)
	client := dial(t, Dialer{Source: addr6A}, addr6B, []byte("x"))
	accept(t, l)
	subflows, err := Subflows(client)
	if err != nil || len(subflows) != 1 {
		t.Fatal(subflows, err)
	}
	if subflows[0].Local.Addr() != addr6A || subflows[0].Remote != netip.AddrPortFrom(addr6B, port) {
		t.Errorf("%+v", subflows[0])
	}
}

// An IPv6 listener shows its IPv4 connections as IPv4.
func TestSubflowsMapped(t *testing.T) {
	newLab(t)
	l := listen(t, ListenConfig{MPTCP: true}, netip.IPv6Unspecified())
	dial(t, Dialer{}, addrB1, []byte("x"))
	server := accept(t, l)
	subflows, err := Subflows(server)
	if err != nil || len(subflows) != 1 || subflows[0].Remote.Addr() != addrA1 {
		t.Errorf("%+v %v", subflows, err)
	}
}

func TestNotMPTCP(t *testing.T) {
	newLab(t)
	for _, addr := range []netip.Addr{addrB1, addr6B} {
		l := listen(t, ListenConfig{}, addr)
		client := dial(t, Dialer{}, addr, nil)
		server := accept(t, l)
		for name, c := range map[string]*net.TCPConn{"fell back": client, "plain": server} {
			if _, err := Inspect(c); !errors.Is(err, ErrNotMPTCP) {
				t.Errorf("%s: Inspect: %v", name, err)
			}
			if _, err := Subflows(c); !errors.Is(err, ErrNotMPTCP) {
				t.Errorf("%s: Subflows: %v", name, err)
			}
			if got, err := IsMPTCP(c); got || err != nil {
				t.Errorf("%s: IsMPTCP = %v, %v", name, got, err)
			}
			c.Close()
			if _, err := IsMPTCP(c); !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: after Close: %v", name, err)
			}
		}
		l.Close()
	}
}

// Between the SYN with its data and the third packet, which is held up.
func TestWaitEstablished(t *testing.T) {
	newLab(t)
	l := listen(t, ListenConfig{MPTCP: true, FastOpen: 8, NoCookie: true}, addrB1)
	nft(t, nsB, `table inet hold {
	chain in {
		type filter hook input priority 0
		tcp dport 5124 tcp flags & syn == 0 drop
	}
}`)
	client := dial(t, Dialer{SynData: true}, addrB1, []byte("hello"))
	server := accept(t, l)
	if done, err := Established(server); done || err != nil {
		t.Fatalf("Established = %v, %v", done, err)
	}
	if done, err := Established(client); !done || err != nil {
		t.Errorf("client: Established = %v, %v", done, err)
	}
	short, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := WaitEstablished(short, server); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while held up: %v", err)
	}
	result := make(chan error)
	go func() { result <- WaitEstablished(within10s(t), server) }()
	run(t, "ip netns exec %s nft delete table inet hold", nsB)
	if err := <-result; err != nil { // the SYN-ACK is repeated after 1 s, and then the third packet
		t.Fatal(err)
	}
	_ = server.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := server.Write([]byte("world")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(client, make([]byte, 5)); err != nil {
		t.Error("answer did not arrive:", err)
	}
}

// The client is gone before the third packet.
func TestWaitEstablishedReset(t *testing.T) {
	newLab(t)
	l := listen(t, ListenConfig{MPTCP: true, FastOpen: 8, NoCookie: true}, addrB1)
	nft(t, nsB, `table inet hold {
	chain in {
		type filter hook input priority 0
		tcp dport 5124 tcp flags & (syn | rst) == 0 drop
	}
}`)
	client := dial(t, Dialer{SynData: true}, addrB1, []byte("hello"))
	server := accept(t, l)
	result := make(chan error)
	go func() { result <- WaitEstablished(within10s(t), server) }()
	_ = Reset(client)
	if err := <-result; !errors.Is(err, unix.ENOTCONN) {
		t.Errorf("error %v, want ENOTCONN", err)
	}
}

func TestReset(t *testing.T) {
	newLab(t)
	l := listenMPTCP(t)
	plain := func() (*net.TCPConn, *net.TCPConn) {
		l := listen(t, ListenConfig{}, addrB2)
		defer l.Close()
		return dial(t, Dialer{}, addrB2, nil), accept(t, l)
	}
	check := func(t *testing.T, a, b *net.TCPConn) {
		t.Helper()
		if err := Reset(a); err != nil {
			t.Error(err)
		}
		if _, err := b.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("peer's read: %v, want ECONNRESET", err)
		}
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("own read: %v, want %v", err, net.ErrClosed)
		}
		if err := Reset(a); !errors.Is(err, net.ErrClosed) {
			t.Errorf("second Reset: %v, want %v", err, net.ErrClosed)
		}
	}
	both := func(t *testing.T, pair func() (client, server *net.TCPConn)) {
		t.Run("client", func(t *testing.T) { a, b := pair(); check(t, a, b) })
		t.Run("server", func(t *testing.T) { a, b := pair(); check(t, b, a) })
		t.Run("unread data", func(t *testing.T) {
			a, b := pair()
			if _, err := b.Write(make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
			check(t, a, b)
		})
		t.Run("half-closed", func(t *testing.T) {
			a, b := pair()
			if err := b.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			_, _ = a.Read(make([]byte, 1)) // the end of the stream
			check(t, a, b)
		})
		t.Run("reader inside", func(t *testing.T) {
			a, b := pair()
			result := make(chan error)
			go func() { _, err := a.Read(make([]byte, 1)); result <- err }()
			check(t, a, b)
			if err := <-result; err == nil {
				t.Error("reader got no error")
			}
		})
	}
	t.Run("TCP", func(t *testing.T) { both(t, plain) })
	t.Run("MPTCP", func(t *testing.T) {
		both(t, func() (*net.TCPConn, *net.TCPConn) { return pair(t, l, Dialer{}) })
	})
	secondPath(t, 0)
	t.Run("two subflows", func(t *testing.T) {
		both(t, func() (*net.TCPConn, *net.TCPConn) {
			a, b := pair(t, l, Dialer{})
			eventually(t, "second subflow", hasExtraSubflow(a))
			eventually(t, "second subflow", hasExtraSubflow(b))
			return a, b
		})
	})
}
