package mptcp

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// An end or an error is nothing to read, and stays in the socket.
func TestHasBytes(t *testing.T) {
	l, err := (&ListenConfig{MPTCP: true}).Listen(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	to := l.Addr().(interface{ AddrPort() netip.AddrPort }).AddrPort()
	start := func(to netip.AddrPort) int {
		t.Helper()
		fd, _, err := new(Dialer).Start(to, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		return fd
	}
	comes := func(fd int, events int16) {
		t.Helper()
		if n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: events}}, 5000); n != 1 {
			t.Fatalf("nothing came: %d, %v", n, err)
		}
	}
	fd := start(to)
	server, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if HasBytes(fd) {
		t.Error("bytes before any were sent")
	}
	if _, err := server.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if comes(fd, unix.POLLIN); !HasBytes(fd) {
		t.Error("no bytes though one has come")
	}
	_ = server.CloseWrite()
	if comes(fd, unix.POLLRDHUP); HasBytes(fd) {
		t.Error("the end counts as bytes")
	}
	l.Close()
	fd = start(to)
	if comes(fd, unix.POLLIN); HasBytes(fd) {
		t.Error("a refusal counts as bytes")
	}
	if done, err := Connected(fd); !done || err != unix.ECONNREFUSED {
		t.Errorf("after the look: %v, %v, want the refusal", done, err)
	}
}
