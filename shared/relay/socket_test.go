package relay

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tandem/shared/mptcp"
)

// socketPair is a Socket and its other end.
func socketPair(t *testing.T, e *Engine, over bool) (*Socket, *net.TCPConn) {
	t.Helper()
	a, b := pair(t, over)
	s, err := e.Take(b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); a.Close() })
	limit(t, a)
	return s, a
}

// A Socket is a net.Conn as others are.
func TestSocket(t *testing.T) {
	eachLeg(t, func(t *testing.T, over bool) {
		e := newEngine(t)
		s, far := socketPair(t, e, over)
		if s.Remote() != far.LocalAddr().(*net.TCPAddr).AddrPort() || s.Local() != far.RemoteAddr().(*net.TCPAddr).AddrPort() {
			t.Errorf("from %s to %s, the other end says %s and %s", s.Remote(), s.Local(), far.LocalAddr(), far.RemoteAddr())
		}
		const size = 16 << 20 // more than the kernel takes at once
		sent := make(chan error, 1)
		go func() {
			_, err := s.Write(make([]byte, size))
			sent <- errors.Join(err, s.CloseWrite())
		}()
		if n, err := io.Copy(io.Discard, far); n != size || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
		if _, err := s.ReadNow(make([]byte, 1)); err != unix.EAGAIN {
			t.Errorf("nothing to read: %v", err)
		}
		if err := s.WaitReadable(time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("nothing comes: %v", err)
		}
		noticed := make(chan struct{}, 16)
		s.Notify(func() { noticed <- struct{}{} })
		go func() { _, _ = far.Write([]byte("hello")) }()
		if err := s.WaitReadable(20 * time.Second); err != nil {
			t.Error(err)
		}
		<-noticed
		s.Notify(func() { noticed <- struct{}{} }) // when it is there already
		<-noticed
		s.Notify(nil)
		b := make([]byte, 8)
		if n, err := s.Peek(b); string(b[:max(n, 0)]) != "hello" || err != nil {
			t.Errorf("%q, %v", b[:max(n, 0)], err)
		}
		if n, err := s.Read(b); string(b[:n]) != "hello" || err != nil {
			t.Errorf("%q, %v", b[:n], err)
		}
		far.Close()
		if _, err := s.Read(b); err != io.EOF {
			t.Errorf("after the end: %v", err)
		}
	})
}

// Who waits is woken by a deadline, whoever sets it, and by Close.
func TestSocketWoken(t *testing.T) {
	noLeaks(t)
	e := newEngine(t)
	for name, tt := range map[string]struct {
		wake func(*Socket)
		want error
	}{
		"deadline":             {func(s *Socket) { _ = s.SetReadDeadline(time.Now().Add(time.Millisecond)) }, os.ErrDeadlineExceeded},
		"deadline in the past": {func(s *Socket) { _ = s.SetDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
		"closed":               {func(s *Socket) { _ = s.Close() }, net.ErrClosed},
		"reset":                {func(s *Socket) { _ = s.Reset() }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s, far := socketPair(t, e, false)
			raw, err := s.SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			waits, woken := make(chan struct{}), make(chan error, 1)
			go func() {
				first := true
				woken <- raw.Read(func(fd uintptr) bool {
					if first {
						close(waits)
						first = false
					}
					_, _, err := unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_DONTWAIT)
					return err != unix.EAGAIN
				})
			}()
			<-waits
			tt.wake(s)
			if err := <-woken; tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if name == "reset" {
				if _, err := far.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
					t.Errorf("the other end sees %v", err)
				}
			}
		})
	}
}

// A flow owns the sockets that it takes, and closes them if it cannot.
func TestSocketTaken(t *testing.T) {
	noLeaks(t)
	e := newEngine(t)
	a, client := socketPair(t, e, false)
	b, server := socketPair(t, e, true)
	ended := make(chan Result, 1)
	if _, err := e.Start(a, b, Options{Done: func(_ *Flow, r Result) { ended <- r }}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a socket that a flow has: %v", err)
	}
	if err := b.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closing a socket that a flow has: %v", err)
	}
	c, third := socketPair(t, e, false)
	if _, err := e.Start(a, c, Options{}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("taken twice: %v", err)
	}
	if _, err := third.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("the other one: %v", err)
	}
	if _, err := client.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	if _, err := io.ReadFull(server, make([]byte, 1)); err != nil {
		t.Error(err)
	}
	client.Close()
	server.Close()
	<-ended
}

func TestDial(t *testing.T) {
	eachLeg(t, func(t *testing.T, over bool) {
		e := newEngine(t)
		cfg := mptcp.ListenConfig{MPTCP: over}
		l, err := cfg.Listen(netip.MustParseAddrPort("127.0.0.1:0"))
		if err != nil {
			t.Fatal(err)
		}
		to := l.Addr().(*net.TCPAddr).AddrPort()
		d := &mptcp.Dialer{Plain: !over, KeepAlive: net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: time.Second, Count: 3}}
		s, err := e.Dial(context.Background(), d, to, []byte("first"))
		if err != nil {
			t.Fatal(err)
		}
		far, err := l.AcceptTCP()
		if err != nil {
			t.Fatal(err)
		}
		limit(t, far)
		b := make([]byte, 5)
		if _, err := io.ReadFull(far, b); string(b) != "first" || err != nil {
			t.Errorf("%q, %v", b, err)
		}
		far.Close()
		s.Close()
		l.Close()
		if _, err := e.Dial(context.Background(), d, to, nil); !errors.Is(err, unix.ECONNREFUSED) {
			t.Errorf("nobody listens: %v", err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := e.Dial(ctx, d, to, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("not wanted any more: %v", err)
		}
	})
}
