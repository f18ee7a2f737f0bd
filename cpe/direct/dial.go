// Package direct opens the connection that the LAN host asked for without any
// concentrator: what happens when none is usable.
package direct

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"tandem/shared/mptcp"
	"tandem/shared/relay"
)

// timeout is as long as a LAN host would wait by itself for a few SYNs.
const timeout = 30 * time.Second

// after is how long the router's own choice of route has to answer before
// another line is tried too.
const after = 500 * time.Millisecond

// Dial opens plain TCP to dst along the router's ordinary routes and, should
// nobody answer there, over the given devices, one after the other: the
// default route may lead into a line that is dead. mark keeps the packets out
// of our own interception. (net.Dialer could do it too, but would bring the DNS
// resolver into the router's program, 0.2 MB.)
func Dial(ctx context.Context, engine *relay.Engine, dst netip.AddrPort, mark uint32, devices []string) (*relay.Socket, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if len(devices) == 0 {
		return dial(ctx, engine, dst, mark, "")
	}
	type result struct {
		conn *relay.Socket
		err  error
	}
	results := make(chan result, 1+len(devices))
	start := func(device string) {
		go func() {
			conn, err := dial(ctx, engine, dst, mark, device)
			results <- result{conn, err}
		}()
	}
	start("")
	open := 1
	next := time.NewTicker(after)
	defer next.Stop()
	for {
		select {
		case r := <-results:
			open--
			if r.err == nil || open == 0 || !errors.Is(r.err, unix.ETIMEDOUT) {
				// An answer, be it a refusal. What else comes is not wanted.
				cancel()
				go func() {
					for range open {
						if late := <-results; late.err == nil {
							_ = late.conn.Reset()
						}
					}
				}()
				return r.conn, r.err
			}
		case <-next.C:
			if len(devices) > 0 {
				start(devices[0])
				devices, open = devices[1:], open+1
			}
		}
	}
}

func dial(ctx context.Context, engine *relay.Engine, dst netip.AddrPort, mark uint32, device string) (*relay.Socket, error) {
	d := mptcp.Dialer{
		Plain:     true,
		Device:    device,
		Mark:      mark,
		KeepAlive: net.KeepAliveConfig{Enable: true, Idle: 240 * time.Second, Interval: 30 * time.Second, Count: 4},
	}
	return engine.Dial(ctx, &d, dst, nil)
}
