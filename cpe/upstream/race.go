package upstream

import (
	"context"
	"net"
	"time"

	"github.com/tandem-mptcp/tandem/cpe/uplink"
	"github.com/tandem-mptcp/tandem/shared/mptcp"
)

// raceAfter is how long a line has to answer a SYN before another one is asked
// too. Generous: over a metered line a needless SYN costs money, and a line
// that is known to be dead is not asked at all.
func (c *Converter) raceAfter() time.Duration {
	return max(300*time.Millisecond, 3*c.RoundTrip())
}

// race connects over the planned line and, if that does not answer in good
// time, over the next best one as well. The first to answer is taken, and a
// then says which line it is.
func (a *Attempt) race(ctx context.Context, request []byte) (*net.TCPConn, error) {
	next, ok := uplink.Next(a.converter.lines(), a.to.Addr(), a.Mode, a.Line.Name)
	if !ok {
		return a.dial(ctx, request)
	}
	first, giveUp := context.WithCancel(ctx)
	defer giveUp()
	second, leave := context.WithCancel(ctx)
	defer leave()
	// The second writes the request after its handshake, whatever the first
	// does with it.
	other := a.converter.over(next, a.to, Plain)
	other.second = true
	var conn *net.TCPConn
	var err error
	done := make(chan struct{})
	timer := time.AfterFunc(a.converter.raceAfter(), func() {
		defer close(done)
		if conn, err = other.dial(second, request); err == nil {
			giveUp()
		}
	})
	planned, plannedErr := a.dial(first, request)
	if timer.Stop() {
		return planned, plannedErr
	}
	if plannedErr == nil {
		leave()
	}
	<-done
	switch {
	case plannedErr == nil: // both, or the first just before the second
		if err == nil {
			_ = mptcp.Reset(conn)
		}
		return planned, nil
	case err == nil:
		a.converter.suspect(a.Line.Name)
		a.Line, a.dialer, a.second = next, other.dialer, true
		return conn, nil
	}
	return nil, plannedErr
}

func (a *Attempt) dial(ctx context.Context, request []byte) (*net.TCPConn, error) {
	started := time.Now()
	conn, err := a.dialer.Dial(ctx, a.to, request)
	if err == nil {
		a.converter.shookHands(time.Since(started))
	}
	return conn, err
}

// suspect tells the lines' watch that one did not answer.
func (c *Converter) suspect(line string) {
	if c.Suspect != nil {
		c.Suspect(line)
	}
}
