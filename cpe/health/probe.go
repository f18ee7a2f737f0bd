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
	err := w.shake(ctx, &d, target)
	now := time.Now()
	switch {
	case err == nil:
		l.answered(now, now.Sub(begin))
		w.Lines.Delay(wan.Name, now.Sub(begin))
	case errors.Is(err, unix.ECONNREFUSED):
		l.answered(now, 0)
	default:
		l.unanswered(now)
		return false
	}
	return true
}

// shake shakes hands and hangs up.
func (w *Watch) shake(ctx context.Context, d *mptcp.Dialer, target netip.AddrPort) error {
	if w.dial != nil {
		return w.dial(ctx, d, target)
	}
	conn, err := w.Engine.Dial(ctx, d, target, nil)
	if err == nil {
		_ = conn.Reset()
	}
	return err
}
