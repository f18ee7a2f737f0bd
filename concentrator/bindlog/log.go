package bindlog

import (
	"context"
	"log/slog"
	"net/netip"
	"strconv"
	"time"
)

// Record says who used an external address and port, and when. For the time of
// both ends, ports are the client's alone.
type Record struct {
	Client string
	// Last is the last port of a block, which begins with External's; 0: one
	// port. A block is recorded when it becomes the client's, with no End, and
	// when it is nobody's any more.
	Last       uint16
	External   netip.AddrPort // where the kernel chose the address and the server was not reached, it is unspecified
	Start, End time.Time
	// Destination is not valid unless the operator asked for it. RFC 6888
	// REQ-12 says not to: it is a record of what people do.
	Destination netip.AddrPort
}

// Log takes records: one per connection, when it has ended, or two per block. It is called from
// many goroutines and must not keep them long.
type Log interface{ Record(Record) }

// Slog writes records as structured lines of level info.
type Slog struct{ Logger *slog.Logger }

// Record writes one line. Times are UTC, to the millisecond: seconds are what
// is asked for, and an end in the second of another's start must not confuse.
func (s Slog) Record(r Record) {
	const layout = "2006-01-02T15:04:05.000Z"
	external := r.External.String()
	if r.Last != 0 {
		external += "-" + strconv.Itoa(int(r.Last))
	}
	attrs := [5]slog.Attr{
		slog.String("client", r.Client),
		slog.String("external", external),
		slog.String("start", r.Start.UTC().Format(layout)),
	}
	n := 3
	if !r.End.IsZero() {
		attrs[n] = slog.String("end", r.End.UTC().Format(layout))
		n++
	}
	if r.Destination.IsValid() {
		attrs[n] = slog.String("destination", r.Destination.String())
		n++
	}
	s.Logger.LogAttrs(context.Background(), slog.LevelInfo, "binding", attrs[:n]...)
}
