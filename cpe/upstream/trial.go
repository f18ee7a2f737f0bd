package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"tandem/cpe/handshake"
	"tandem/cpe/uplink"
	"tandem/shared/mptcp"
)

// Trial is what one exchange with the converter over one line showed.
type Trial struct {
	RoundTrip time.Duration // of the handshake
	MPTCP     bool          // it is still MPTCP after the answer
	SynData   bool          // the data in the SYN was taken
	MTU       int           // of the path, as far as the kernel knows
}

// trialTime bounds one exchange.
const trialTime = 5 * time.Second

// Reach shakes hands over a line by plain TCP: how long that takes, and the
// path's MTU.
func (c *Converter) Reach(ctx context.Context, line uplink.WAN) (t Trial, err error) {
	a, err := c.across(line)
	if err != nil {
		return t, err
	}
	ctx, cancel := context.WithTimeout(ctx, trialTime)
	defer cancel()
	a.dialer.Plain = true
	begin := time.Now()
	conn, err := c.Engine.Dial(ctx, &a.dialer, a.to, nil)
	if err != nil {
		return t, err
	}
	defer conn.Reset()
	t.RoundTrip = time.Since(begin)
	raw, err := conn.SyscallConn()
	if err != nil {
		return t, err
	}
	cerr := raw.Control(func(fd uintptr) {
		var info *unix.TCPInfo
		if info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			t.MTU = int(info.Pmtu)
		}
	})
	return t, errors.Join(cerr, err)
}

// Try asks for the supported TCP extensions over a line by MPTCP, in the SYN
// or after the handshake, and tells what became of the connection.
func (c *Converter) Try(ctx context.Context, line uplink.WAN, inSYN bool) (t Trial, err error) {
	for range 2 { // again where the clock had to be corrected first
		if t, err = c.try(ctx, line, inSYN); !errors.Is(err, handshake.ErrWrongTime) {
			break
		}
	}
	return t, err
}

func (c *Converter) try(ctx context.Context, line uplink.WAN, inSYN bool) (t Trial, err error) {
	a, err := c.across(line)
	if err != nil {
		return t, err
	}
	ctx, cancel := context.WithTimeout(ctx, trialTime)
	defer cancel()
	request, nonce, err := handshake.AppendInfo(nil, c.Cookie(), c.signer)
	if err != nil {
		return t, err
	}
	if a.dialer.SynData = inSYN; c.OnPath {
		request = nil
	}
	begin := time.Now()
	conn, err := c.Engine.Dial(ctx, &a.dialer, a.to, request)
	if err != nil {
		return t, err
	}
	defer conn.Close()
	t.RoundTrip = time.Since(begin)
	if c.OnPath { // the handshake is all there is
		t.MPTCP, err = mptcp.IsMPTCP(conn)
		return t, errors.Join(err, conn.Reset())
	}
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	answer, _, err := c.read(conn, make([]byte, handshake.AnswerBuffer), nonce)
	if err != nil {
		return t, c.silent(a.to, err)
	}
	if t.MPTCP, err = mptcp.IsMPTCP(conn); err != nil {
		return t, err
	}
	t.SynData, _ = mptcp.SynDataAcked(conn)
	return t, answer.Err()
}

// across is a connection over a line, whatever the others are like.
func (c *Converter) across(line uplink.WAN) (*Attempt, error) {
	for _, a := range c.addrs {
		if _, ok := line.Source(a); ok {
			return c.over(line, netip.AddrPortFrom(a, c.Port), Plain), nil
		}
	}
	return nil, fmt.Errorf("%s has no address of the concentrator's IP version", line.Name)
}
