package health

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"tandem/cpe/uplink"
	"tandem/shared/mptcp"
)

// answers shakes hands over a line and hangs up. A refusal is an answer too:
// it came back.
func (w *Watch) answers(ctx context.Context, l *line, wan uplink.WAN, target netip.AddrPort, patience time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	source, _ := wan.Source(target.Addr())
	d := mptcp.Dialer{Plain: true, Device: wan.Device, Source: source, Mark: w.Mark}
	begin := time.Now()
	conn, err := w.Engine.Dial(ctx, &d, target, nil)
	if err != nil {
		return errors.Is(err, unix.ECONNREFUSED)
	}
	took := time.Since(begin)
	l.answered(took)
	w.Lines.Delay(wan.Name, took)
	_ = conn.Reset()
	return true
}
