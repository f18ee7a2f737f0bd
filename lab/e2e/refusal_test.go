package e2e

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tandem/lab/house"
	"tandem/lab/servers"
)

// TestRefusedAtOnce: what a server has refused is refused at the SYN for the
// next seconds, so that programs see it when they connect, and turn to another
// address as they would without Tandem.
func TestRefusedAtOnce(t *testing.T) {
	t.Parallel()
	h := build(t, sixty())
	ctx := within(t, time.Minute)
	for _, addr := range []string{house.Server4, house.Server6} {
		c, err := h.DialFrom(ctx, "", addr, house.ClosedPort)
		if err == nil { // accepted here, then reset
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			_, err = c.Read(make([]byte, 1))
			c.Close()
		}
		if !errors.Is(err, unix.ECONNRESET) && !errors.Is(err, unix.ECONNREFUSED) {
			t.Errorf("%s, first try: %v", addr, err)
		}
		var took time.Duration
		eventually(t, 3*time.Second, "the SYN is refused", func() bool {
			begin := time.Now()
			c, err := h.DialFrom(ctx, "", addr, house.ClosedPort)
			took = time.Since(begin)
			if err == nil {
				c.Close()
			}
			return errors.Is(err, unix.ECONNREFUSED)
		})
		t.Logf("%s: refused at the SYN after %s", addr, took)
		if took > 30*time.Millisecond { // a round trip is 60
			t.Errorf("%s: refused after %s", addr, took)
		}
	}
	// Another port of that server is another destination.
	if _, err := h.FirstByte(ctx, "", house.Server4); err != nil {
		t.Error(err)
	}
}

// TestDualStack: a name whose IPv6 server is dead. curl turns to IPv4 when the
// connection is refused, from the second attempt on.
func TestDualStack(t *testing.T) {
	t.Parallel()
	h := build(t, sixty())
	const port = 8123
	l, err := h.Listen(house.Server4, port)
	if err != nil {
		t.Fatal(err)
	}
	go servers.HTTP(l)
	curl := func() (string, error) {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		return h.Host("lan").Run(ctx, "curl", "-sS", "--noproxy", "*", "--max-time", "10",
			"--resolve", "both.example:8123:["+house.Server6+"],"+house.Server4, "http://both.example:8123/")
	}
	first, err := curl() // it may learn
	t.Logf("first: %q, %v", first, err)
	eventually(t, 5*time.Second, "curl falls to IPv4", func() bool {
		out, err := curl()
		return err == nil && strings.Contains(out, "hello")
	})
}
