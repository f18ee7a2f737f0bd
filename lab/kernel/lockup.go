package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"
)

// lockup echoes a transfer: data in both directions at once over two
// subflows. A receiver whose buffer fills with data that is out of order
// never takes the piece in that it waits for.
func lockup(ctx context.Context, b *bench) error {
	const bytes, tries, patience = 2 << 20, 30, 8 * time.Second
	for _, w := range []struct {
		name string
		way
	}{
		{"kernel's buffer", way{gate: true}},
		{"8 MiB", way{gate: true, buffer: bigBuffer}},
	} {
		l, err := b.listen(w.way, func(c *net.TCPConn) { _, _ = io.Copy(onlyWriter{c}, onlyReader{c}) })
		if err != nil {
			return err
		}
		hung, slowest := 0, time.Duration(0)
		for range tries {
			begin := time.Now()
			c, err := b.dial(ctx, w.way)
			if err != nil {
				return err
			}
			deadline(c, patience)
			go func() { _, _ = io.CopyN(onlyWriter{c}, zeros{}, bytes) }()
			if _, err := io.CopyN(io.Discard, onlyReader{c}, bytes); err != nil {
				hung++
			} else {
				slowest = max(slowest, time.Since(begin))
			}
			c.Close()
		}
		l.Close()
		fmt.Printf("  %-42s %d of %d stood still (8 s), the slowest other took %s\n", w.name, hung, tries, slowest.Round(time.Millisecond))
	}
	return nil
}

type onlyWriter struct{ io.Writer }
