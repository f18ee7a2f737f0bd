package bindlog

import (
	"context"
	"log/slog"
	"net/netip"
	"time"
)

// Record says who used an external address and port, and when. For the time of
// both ends, ports are the client's alone.
type Record struct {
	Client     string
	External   netip.AddrPort // where the kernel chose the address and the server was not reached, it is unspecified
	Start, End time.Time
	// Destination is not valid unless the operator asked for it. RFC 6888
	// REQ-12 says not to: it is a record of what people do.
	Destination netip.AddrPort
}

// Log takes records: one per connection, when it has ended. It is called from
// many goroutines and must not keep them long.
type Log interface{ Record(Record) }

// Slog writes records as structured lines of level info.
type Slog struct{ Logger *slog.Logger }

// Record writes one line. Times are UTC, to the millisecond: seconds are what
// is asked for, and an end in the second of another's start must not confuse.
func (s Slog) Record(r Record) {
	const layout = "2006-01-02T15:04:05.000Z"
	attrs := [5]slog.Attr{
		slog.String("client", r.Client),
		slog.String("external", r.External.String()),
		slog.String("start", r.Start.UTC().Format(layout)),
		slog.String("end", r.End.UTC().Format(layout)),
	}
	n := 4
	if r.Destination.IsValid() {
		attrs[n] = slog.String("destination", r.Destination.String())
		n++
	}
	s.Logger.LogAttrs(context.Background(), slog.LevelInfo, "binding", attrs[:n]...)
}
