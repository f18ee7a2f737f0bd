package e2e

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tandem/lab/house"
	"tandem/lab/servers"
	"tandem/shared/control"
)

// An upgrade puts a new process in the place of the running concentrator while
// a download is in progress: that goes on to its end, connections that come
// meanwhile are served at once, and what the old one has moved is counted.
func TestHandOver(t *testing.T) {
	h := build(t, fast())
	ctx := within(t, 2*time.Minute)
	idle := dial(t, h, house.Server4, house.EchoPort)
	if err := say(idle, "before\n"); err != nil {
		t.Fatal(err)
	}
	download := slowDownload(t, h)
	begin := status(t, h).Flows

	// New connections all the time, four at a time.
	var attempts, failed, slowest atomic.Int64
	loop, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for loop.Err() == nil {
				took, err := h.FirstByte(ctx, "", house.Server4)
				attempts.Add(1)
				if err != nil {
					failed.Add(1)
					t.Log(err)
				}
				for s := slowest.Load(); int64(took) > s && !slowest.CompareAndSwap(s, int64(took)); s = slowest.Load() {
				}
			}
		}()
	}
	before, err := h.HandOver(ctx)
	if err != nil {
		t.Fatalf("%v\n%s", err, h.Concentrator.Log)
	}
	relayed := func() int64 {
		s, err := h.ConcentratorStatus()
		if err != nil {
			t.Fatal(err)
		}
		return s.Relayed
	}
	eventually(t, 20*time.Second, "the new process relays", func() bool { return relayed() > 50 })
	stop()
	wg.Wait()
	direct := status(t, h).Flows.Direct - begin.Direct
	t.Logf("%d attempts to connect, %d failed, %d went direct, the slowest had its first byte after %s",
		attempts.Load(), failed.Load(), direct, time.Duration(slowest.Load()).Round(time.Millisecond))
	if failed.Load() > 0 {
		t.Errorf("%d of %d attempts failed", failed.Load(), attempts.Load())
	}

	s, err := h.ConcentratorStatus()
	if err != nil {
		t.Fatal(err)
	}
	if s.PID == before.PID() || len(s.Earlier) != 1 || s.Earlier[0].PID != before.PID() || s.Earlier[0].Open != 2 {
		t.Errorf("status: pid %d, earlier %+v; want another than %d, which has 2 connections", s.PID, s.Earlier, before.PID())
	}
	if err := say(idle, "after\n"); err != nil {
		t.Errorf("connection of before: %v", err)
	}
	download.finish(t)
	idle.Close()
	if err := before.Gone(10 * time.Second); err != nil {
		t.Errorf("its connections have ended: %v", err)
	}
	eventually(t, 10*time.Second, "its volume is counted", func() bool {
		v, err := control.Ask[struct {
			Down int64 `json:"down_bytes"`
		}](h.Concentrator.Socket, "volume", "house")
		return err == nil && v.Down >= download.size
	})
	if n := h.Concentrator.Log.Count("level=ERROR"); n > 0 {
		t.Errorf("%d errors in the log:\n%s", n, h.Concentrator.Log)
	}
}

// A client that is disabled loses the connections of before a hand-over too;
// to stop, the old process ends with the new one; one that is not fit to take
// over changes nothing.
func TestHandOverAndThen(t *testing.T) {
	h := build(t, fast())
	ctx := within(t, time.Minute)
	c := dial(t, h, house.Server4, house.EchoPort)
	if err := say(c, "before\n"); err != nil {
		t.Fatal(err)
	}
	if err := h.WriteConcentrator("listen = 5\n", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := h.HandOver(ctx); err == nil {
		t.Error("a configuration that is not valid is taken over")
	}
	if err := h.WriteConcentrator("", ""); err != nil {
		t.Fatal(err)
	}
	if err := say(c, "still\n"); err != nil {
		t.Error(err)
	}
	before, err := h.HandOver(ctx)
	if err != nil {
		t.Fatalf("%v\n%s", err, h.Concentrator.Log)
	}
	if err := say(c, "after\n"); err != nil {
		t.Error(err)
	}
	if _, err := h.ClientCommand(ctx, "disable", "house"); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Errorf("connection of a client that was disabled: %v", err)
	}
	if err := before.Gone(10 * time.Second); err != nil {
		t.Error(err)
	}
	if _, err := h.ClientCommand(ctx, "enable", "house"); err != nil {
		t.Fatal(err)
	}

	eventually(t, 20*time.Second, "a connection is relayed", func() bool {
		c = dial(t, h, house.Server4, house.EchoPort)
		if err := say(c, "again\n"); err != nil {
			t.Fatal(err)
		}
		s, err := h.ConcentratorStatus()
		return err == nil && s.Open > 0
	})
	if before, err = h.HandOver(ctx); err != nil {
		t.Fatal(err)
	}
	// As systemd does it: to all processes of the service.
	_ = h.Concentrator.Signal(syscall.SIGTERM)
	if err := h.Concentrator.Wait(10 * time.Second); err != nil {
		t.Errorf("the new process, which has nothing open: %v", err)
	}
	_ = before.Signal(syscall.SIGTERM)
	if err := before.Gone(5 * time.Second); err != nil {
		t.Errorf("the old process holds up the service, whose daemon is gone: %v", err)
	}
}

func isTimeout(err error) bool {
	n, ok := err.(net.Error)
	return ok && n.Timeout()
}

// ongoing is a download that is under way until finish.
type ongoing struct {
	conn net.Conn
	body io.Reader
	size int64
}

// slowDownload asks for more than the buffers on the way hold and reads only
// its begin.
func slowDownload(t *testing.T, h *house.House) *ongoing {
	t.Helper()
	const size = 100_000_000
	c := dial(t, h, house.Server4, house.HTTPPort)
	if _, err := fmt.Fprintf(c, "GET /bytes/%d HTTP/1.0\r\n\r\n", size); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	return &ongoing{c, resp.Body, size}
}

// finish reads the rest and checks each byte.
func (d *ongoing) finish(t *testing.T) {
	t.Helper()
	sum := sha256.New()
	if n, err := io.Copy(sum, d.body); err != nil || n != d.size || hex.EncodeToString(sum.Sum(nil)) != servers.Sum(d.size) {
		t.Errorf("the download ended after %d of %d bytes, with other ones or %v", n, d.size, err)
	}
	d.conn.Close()
}
