package e2e

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tandem/lab/house"
)

// TestClientLimits sets each limit of a client on the running daemon, as an
// operator does. What is over it goes direct: the LAN stays online.
func TestClientLimits(t *testing.T) {
	t.Parallel()
	h := build(t, fast())
	ctx := within(t, 2*time.Minute)
	client := func(args ...string) {
		t.Helper()
		if _, err := h.ClientCommand(ctx, args...); err != nil {
			t.Fatal(err)
		}
	}
	count := func() house.ConcentratorStatus {
		t.Helper()
		s, err := h.ConcentratorStatus()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	// usable waits until the CPE has waited for as long as it was told to.
	usable := func() {
		t.Helper()
		eventually(t, 15*time.Second, "the concentrator is in use", func() bool { return status(t, h).Concentrators[0].Up })
	}

	t.Run("connections", func(t *testing.T) {
		usable()
		client("set", "house", "--connections", "3")
		before := count()
		var open []net.Conn
		for range 5 {
			open = append(open, echo(t, ctx, h))
		}
		if got := count(); got.Relayed != before.Relayed+3 || got.Overload <= before.Overload {
			t.Errorf("%d of 5 connections relayed, %d told that it is enough; want 3, at least 1", got.Relayed-before.Relayed, got.Overload-before.Overload)
		}
		for _, c := range open {
			c.Close()
		}
		eventually(t, 5*time.Second, "the connections have ended", func() bool { return count().Open == 0 })
		usable()
		echo(t, ctx, h).Close()
		if got := count(); got.Relayed != before.Relayed+4 {
			t.Errorf("%d relayed after others have ended, want 4", got.Relayed-before.Relayed)
		}
		client("set", "house", "--connections", "0")
	})
	t.Run("new connections a second", func(t *testing.T) {
		usable()
		client("set", "house", "--new-per-second", "4")
		before, begin := count(), time.Now()
		for range 40 {
			echo(t, ctx, h).Close()
		}
		most := 4 + int64(4*time.Since(begin).Seconds()) + 1
		if got := count(); got.Relayed-before.Relayed > most || got.Relayed == before.Relayed {
			t.Errorf("%d of 40 connections relayed, want 1 to %d", got.Relayed-before.Relayed, most)
		}
		client("set", "house", "--new-per-second", "0")
	})
	t.Run("rate", func(t *testing.T) {
		usable()
		client("set", "house", "--down", "24", "--up", "16")
		for _, tt := range []struct {
			name string
			want float64
			rate func(context.Context, string, time.Duration, func(int64)) (float64, error)
		}{{"down", 24e6, h.DownRate}, {"up", 16e6, h.UpRate}} {
			got, err := tt.rate(ctx, "", 3*time.Second, nil)
			if err != nil {
				t.Fatal(err)
			}
			// What is in buffers at the begin and the end counts as well.
			if got > 1.15*tt.want || got < 0.7*tt.want {
				t.Errorf("%s: %.1f Mbit/s, limit %.0f", tt.name, got/1e6, tt.want/1e6)
			}
		}
		client("set", "house", "--down", "0", "--up", "0")
	})
	t.Run("disabled", func(t *testing.T) {
		usable()
		c := echo(t, ctx, h)
		client("disable", "house")
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("open connection: %v, want a reset", err)
		}
		before := count()
		echo(t, ctx, h).Close()
		if got := count(); got.Relayed != before.Relayed {
			t.Error("a disabled client is relayed")
		}
		client("enable", "house")
		usable()
		echo(t, ctx, h).Close()
		if got := count(); got.Relayed == before.Relayed {
			t.Error("an enabled client is not relayed")
		}
	})
	t.Run("volume of a month", func(t *testing.T) {
		usable()
		client("set", "house", "--monthly", "1M")
		before := count()
		for range 3 { // the first one to end is past it
			if err := h.Download(ctx, "", house.Server4, 2e6); err != nil {
				t.Fatal(err)
			}
		}
		if got := count(); got.Relayed > before.Relayed+1 || got.Overload == before.Overload {
			t.Errorf("%d of 3 downloads relayed, want at most 1", got.Relayed-before.Relayed)
		}
	})
}

// echo opens a connection to the echo server and waits until it answers.
func echo(t *testing.T, ctx context.Context, h *house.House) *net.TCPConn {
	t.Helper()
	c, err := h.DialFrom(ctx, "", house.Server4, house.EchoPort)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return c
}
