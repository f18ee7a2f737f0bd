package e2e

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"tandem/lab/house"
)

const (
	connect10  = "0a0501bb00000000000000000000ffffcb00710a" // 203.0.113.10:443
	forbidden1 = "01062263" + "0a05005000000000000000000000ffff7f000001"
)

// TestBadInput sends the concentrator what no CPE sends, from a client's
// address and from a stranger's, beside honest flows.
func TestBadInput(t *testing.T) {
	t.Parallel()
	o := fast()
	o.Tables = "[limits]\nrequest_timeout = \"2s\"\n"
	o.ByAddress = true
	h := build(t, o)
	ctx := within(t, 2*time.Minute)
	before := descriptors(t, h.Concentrator.PID())

	honest := goesOn()
	honest.again(1, func() bool {
		err := h.Download(ctx, "", house.Server4, 100_000)
		if err != nil {
			t.Errorf("an honest flow: %v", err)
		}
		return err == nil
	})

	begin := time.Now()
	for _, tt := range []struct {
		name, send string
		answer     string // in hex, what a client by prefix gets; empty: nothing
	}{
		{"garbage", hex.EncodeToString([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")), ""},
		{"total length 0", "01002263", ""},
		{"version 2", "02062263" + connect10, "010222631e010001"},
		{"magic", "01062264" + connect10, ""},
		{"tlv length 0", "010222630a000000", "010422631e03010001022263" + "0a000000"},
		{"tlv beyond the message", "010222630a0501bb", "010422631e03010001022263" + "0a0501bb"},
		{"duplicate", "010b2263" + connect10 + connect10, "010d22631e0c0100010b2263" + connect10 + connect10},
		{"type 0", "0102226300010000", "010422631e0302000102226300010000"},
		{"unknown type", "0102226363010000", "010422631e0302000102226363010000"},
		{"loopback", forbidden1, "010822631e070100" + forbidden1},
		{"connect too short", "010522630a0401bb000000000000000000000000" + "00000000", ""},
		{"truncated", "01062263" + "0a05", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			send := unhex(t, tt.send)
			for _, from := range []struct{ host, want string }{{"cpe", tt.answer}, {"net", ""}} {
				got, err := exchange(ctx, h, from.host, send)
				if tt.name == "connect too short" && from.host == "cpe" {
					if len(got) < 8 || got[4] != 0x1e || got[6] != 1 {
						t.Errorf("client got %x, want Error 1", got)
					}
					continue
				}
				if hex.EncodeToString(got) != from.want {
					t.Errorf("from %s: got %x (%v), want %s", from.host, got, err, from.want)
				}
			}
		})
	}

	t.Run("slow sender", func(t *testing.T) {
		c, err := h.Host("cpe").Dial(ctx, "tcp", house.Concentrator4+":5124")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		at := time.Now()
		for _, b := range unhex(t, "01ff2263"+strings.Repeat("c8020000000000", 100)) {
			if _, err := c.Write([]byte{b}); err != nil {
				break
			}
			time.Sleep(100 * time.Millisecond) // slow is what it is
			if time.Since(at) > 10*time.Second {
				t.Fatal("still connected after 10 s, the deadline is 2 s")
			}
		}
		if took := time.Since(at); took < time.Second {
			t.Errorf("closed after %v already", took)
		}
	})

	t.Run("10 MB of noise", func(t *testing.T) {
		noise := bytes.Repeat([]byte{0x01, 0xff, 0x22, 0x63, 0xc8, 0x02}, 10<<20/6)
		for _, host := range []string{"cpe", "net"} {
			c, err := h.Host(host).Dial(ctx, "tcp", house.Concentrator4+":5124")
			if err != nil {
				t.Fatal(err)
			}
			_ = c.SetDeadline(time.Now().Add(20 * time.Second))
			n, _ := c.Write(noise)
			answer, err := io.ReadAll(c)
			c.Close()
			if e, ok := err.(net.Error); ok && e.Timeout() {
				t.Errorf("from %s: not closed (wrote %d)", host, n)
			}
			if host == "net" && len(answer) != 0 {
				t.Errorf("a stranger got %x", answer)
			}
		}
	})

	t.Run("500 that say nothing", func(t *testing.T) {
		var conns []net.Conn
		for range 500 {
			c, err := h.Host("net").Dial(ctx, "tcp", house.Concentrator4+":5124")
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c)
		}
		for i, c := range conns {
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			got, err := io.ReadAll(c)
			if e, ok := err.(net.Error); ok && e.Timeout() || len(got) != 0 {
				t.Fatalf("connection %d: got %x, %v; want to be closed", i, got, err)
			}
			c.Close()
		}
	})

	honest.end()
	eventually(t, 20*time.Second, "nothing is pending or open", func() bool {
		s, err := h.ConcentratorStatus()
		return err == nil && s.Pending == 0 && s.Open == 0
	})
	eventually(t, 20*time.Second, "all descriptors are back", func() bool { return descriptors(t, h.Concentrator.PID()) <= before })
	// Three sources: the client's two addresses at most, and the stranger.
	limit := 3 * (int(time.Since(begin).Seconds()) + 2)
	if got := h.Concentrator.Log.Count("no valid request") + h.Concentrator.Log.Count("msg=refused"); got > limit {
		t.Errorf("%d lines logged in %v, want at most %d", got, time.Since(begin), limit)
	}
}

// exchange sends bytes from a host, ends its half and returns the answer.
func exchange(ctx context.Context, h *house.House, host string, send []byte) ([]byte, error) {
	c, err := h.Host(host).Dial(ctx, "tcp", house.Concentrator4+":5124")
	if err != nil {
		return nil, err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Write(send); err != nil {
		return nil, err
	}
	_ = c.(*net.TCPConn).CloseWrite()
	return io.ReadAll(c)
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func descriptors(t *testing.T, pid int) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
