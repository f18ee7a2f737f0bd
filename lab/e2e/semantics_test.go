package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"tandem/lab/house"
	"tandem/lab/servers"
)

// TestSemantics checks that a connection through Tandem behaves as a direct
// one, with the request in a write of its own and in the SYN.
func TestSemantics(t *testing.T) {
	for _, synData := range []string{"off", "on"} {
		t.Run("syn_data="+synData, func(t *testing.T) {
			t.Parallel()
			o := sixty()
			o.CPE = "\toption syn_data '" + synData + "'\n"
			h := build(t, o)
			for _, server := range []string{house.Server4, house.Server6} {
				for name, check := range map[string]func(*testing.T, *house.House, string){
					"server speaks first": serverFirst,
					"half-close":          halfClose,
					"refused":             refused,
					"server resets":       serverResets,
					"client resets":       clientResets,
					"nothing said":        nothingSaid,
					"both ways at once":   bothWays,
				} {
					t.Run(name+" "+server, func(t *testing.T) { check(t, h, server) })
				}
			}
			if got := status(t, h).Flows; got.MPTCP != got.Relayed || got.Direct != 0 {
				t.Errorf("flows %+v: want all relayed by MPTCP, none direct", got)
			}
			eventually(t, 10*time.Second, "all flows have ended", func() bool { return status(t, h).Flows.Open == 0 })
		})
	}
}

func dial(t *testing.T, h *house.House, server string, port int) *net.TCPConn {
	t.Helper()
	c, err := h.DialFrom(within(t, 10*time.Second), "", server, port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(60 * time.Second))
	return c
}

func serverFirst(t *testing.T, h *house.House, server string) {
	c := dial(t, h, server, house.BannerPort)
	got := make([]byte, len(servers.Banner))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != servers.Banner {
		t.Fatalf("read %q, %v", got, err)
	}
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, got[:5]); err != nil || string(got[:5]) != "hello" {
		t.Fatalf("echo %q, %v", got[:5], err)
	}
}

func halfClose(t *testing.T, h *house.House, server string) {
	c := dial(t, h, server, house.AfterEndPort)
	if _, err := c.Write([]byte("all I have to say")); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil || len(got) != house.AfterEndBytes {
		t.Fatalf("read %d bytes after the end, %v; want %d", len(got), err, house.AfterEndBytes)
	}
	want := make([]byte, house.AfterEndBytes)
	_, _ = io.ReadFull(servers.NewStream(), want)
	if !bytes.Equal(got, want) {
		t.Error("bytes differ")
	}
}

func refused(t *testing.T, h *house.House, server string) {
	c, err := h.DialFrom(within(t, 10*time.Second), "", server, house.ClosedPort)
	if err == nil { // accepted on the server's behalf: the reset comes later
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		_, err = c.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v, want a reset", err)
	}
}

func serverResets(t *testing.T, h *house.House, server string) {
	c := dial(t, h, server, house.ResetPort)
	if _, err := c.Write([]byte("ping")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want a reset", err)
	}
}

func clientResets(t *testing.T, h *house.House, server string) {
	got := make(chan error, 1)
	l, err := h.Listen(server, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go servers.Each(l, func(c *net.TCPConn) {
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.ReadFull(c, make([]byte, 4)); err != nil {
			got <- fmt.Errorf("before the reset: %w", err)
			return
		}
		_, _ = c.Write([]byte("pong"))
		_, err := c.Read(make([]byte, 1))
		got <- err
	})
	c := dial(t, h, server, l.Addr().(*net.TCPAddr).Port)
	if _, err := c.Write([]byte("ping")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	_ = c.SetLinger(0)
	c.Close()
	if err := <-got; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("server got %v, want a reset", err)
	}
}

func nothingSaid(t *testing.T, h *house.House, server string) {
	got := make(chan []byte, 1)
	l, err := h.Listen(server, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go servers.Each(l, func(c *net.TCPConn) {
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		b, err := io.ReadAll(c)
		if err != nil {
			b = []byte(err.Error())
		}
		got <- b
	})
	c := dial(t, h, server, l.Addr().(*net.TCPAddr).Port)
	c.Close()
	select {
	case b := <-got:
		if len(b) != 0 {
			t.Errorf("server got %q, want nothing", b)
		}
	case <-time.After(10 * time.Second):
		t.Error("the server never saw the connection")
	}
}

func bothWays(t *testing.T, h *house.House, server string) {
	c := dial(t, h, server, house.EchoPort)
	const size = 2 << 20
	go func() {
		_, _ = io.CopyN(c, servers.NewStream(), size)
		_ = c.CloseWrite()
	}()
	got, err := io.ReadAll(c)
	want := make([]byte, size)
	_, _ = io.ReadFull(servers.NewStream(), want)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("echoed %d bytes of %d, %v", len(got), size, err)
	}
}

// TestUnreachable reaches for an address behind which the operator's router
// says no.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	h := build(t, sixty())
	ctx := within(t, 60*time.Second)
	run(t, ctx, h.Host("core"), "ip", "route", "add", "unreachable", "203.0.113.192/26")
	c, err := h.DialFrom(ctx, "", "203.0.113.200", 80)
	if err == nil {
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		_, err = c.Read(make([]byte, 1))
	}
	for _, want := range []error{syscall.ECONNRESET, syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH} {
		if errors.Is(err, want) {
			return
		}
	}
	t.Errorf("got %v, want a reset or an unreachable", err)
}

// idle is how long TestIdle leaves its connection alone.
var idle = 5*time.Minute + 5*time.Second

// TestIdle keeps a connection silent for five minutes and then uses it.
func TestIdle(t *testing.T) {
	t.Parallel()
	if d := os.Getenv("TANDEM_IDLE"); d != "" { // for a quick look by hand
		var err error
		if idle, err = time.ParseDuration(d); err != nil {
			t.Fatal(err)
		}
	}
	h := build(t, sixty())
	c := dial(t, h, house.Server4, house.EchoPort)
	_ = c.SetDeadline(time.Now().Add(idle + 30*time.Second))
	for _, word := range []string{"before", "after!"} {
		if _, err := c.Write([]byte(word)); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(word))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != word {
			t.Fatalf("echo %q, %v", got, err)
		}
		if word == "before" {
			time.Sleep(idle) // the silence is what is tested
		}
	}
}
