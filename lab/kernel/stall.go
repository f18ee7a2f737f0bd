package main

import (
	"context"
	"fmt"
	"net"
	"time"
)

// stall lets the server answer as soon as it has the request. With data in the
// SYN that is before the third ACK has arrived.
func stall(ctx context.Context, b *bench) error {
	for _, w := range []struct {
		name string
		way
	}{
		{"no SYN data", way{}},
		{"SYN data, answered at once", way{synData: true}},
		{"SYN data, answered after the third ACK", way{synData: true, gate: true}},
	} {
		l, err := b.listen(w.way, func(c *net.TCPConn) {
			_, _ = c.Write([]byte("answer\n"))
			_, _ = c.Read(make([]byte, 1)) // until the client has gone
		})
		if err != nil {
			return err
		}
		arrived, most := 0, time.Duration(0)
		const tries, patience = 5, 3 * time.Second
		for range tries {
			begin := time.Now()
			c, err := b.dial(ctx, w.way)
			if err != nil {
				return err
			}
			deadline(c, patience)
			if _, err := c.Read(make([]byte, 1)); err == nil {
				arrived++
				most = max(most, time.Since(begin))
			}
			c.Close()
		}
		l.Close()
		fmt.Printf("  %-42s %d of %d answers within %s, the slowest after %s\n", w.name, arrived, tries, patience, most.Round(time.Millisecond))
	}
	return nil
}
