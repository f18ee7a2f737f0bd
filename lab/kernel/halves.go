package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"tandem/shared/mptcp"
)

// halves loses the third ACK and what follows it but the last packet of the
// first flight, as a full queue does. The client then takes the connection for
// plain TCP, and says so to nobody. What it reads tells whether the server knows.
func halves(ctx context.Context, b *bench) error {
	const tries, patience = 5, 3 * time.Second
	const flight = 15700 // bytes, an initial window
	for _, w := range []struct {
		name string
		way
	}{
		{"no SYN data", way{more: flight}},
		{"SYN data, more behind it", way{synData: true, gate: true, more: flight}},
		{"SYN data, nothing behind it", way{synData: true, gate: true}},
	} {
		if err := b.loseFlight(ctx); err != nil {
			return err
		}
		l, err := b.listen(w.way, func(c *net.TCPConn) {
			_, _ = c.Write([]byte("answer\n"))
			deadline(c, patience)
			_, _ = io.Copy(io.Discard, onlyReader{c})
		})
		if err != nil {
			return err
		}
		once, most, plain := 0, 0, 0
		for range tries {
			c, err := b.dial(ctx, w.way)
			if err != nil {
				return err
			}
			deadline(c, patience)
			got, _ := io.ReadAll(c)
			n := bytes.Count(got, []byte("answer\n"))
			if n == 1 {
				once++
			}
			most = max(most, n)
			if is, err := mptcp.IsMPTCP(c); err == nil && !is {
				plain++
			}
			c.Close()
		}
		l.Close()
		fmt.Printf("  %-42s %d of %d answers came once, one %d times; %d of %d clients fell back to TCP\n", w.name, once, tries, most, plain, tries)
	}
	return nil
}

// loseFlight has core lose what a connection says behind its SYN for 30 ms, but
// for a packet of middling length.
func (b *bench) loseFlight(ctx context.Context) error {
	return b.nft(ctx, "core", `
		table inet halves
		delete table inet halves
		table inet halves {
			set fresh { type ipv4_addr . inet_service; flags dynamic; timeout 30ms; }
			set seen { type ipv4_addr . inet_service; flags dynamic; timeout 1m; }
			chain in {
				type filter hook prerouting priority -300;
				tcp dport 5124 tcp flags & syn == 0 meta length < 100 jump early
				tcp dport 5124 tcp flags & syn == 0 meta length > 1400 jump early
			}
			chain early {
				ip saddr . tcp sport @fresh drop
				ip saddr . tcp sport @seen accept
				add @fresh { ip saddr . tcp sport } add @seen { ip saddr . tcp sport } drop
			}
		}`)
}
