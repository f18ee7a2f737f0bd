package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"tandem/cpe/config"
	"tandem/cpe/uplink"
	"tandem/cpe/warm"
	"tandem/shared/credential"
	"tandem/shared/mptcp"
	"tandem/shared/relay"
)

// Attempt is a connection to be made: where to, over which line, how.
type Attempt struct {
	SynData bool // the request travels in the SYN
	Line    uplink.WAN
	Mode    config.Mode
	Nonce   credential.Nonce // of the request, by which its answer is known

	converter *Converter
	dialer    mptcp.Dialer
	to        netip.AddrPort

	warm   *warm.Conn // the parked connection it uses; nil: it makes its own
	sent   []byte     // the request and what the LAN host said
	failed error      // of sending
	silent bool       // nothing came back: its line is not trusted
	loose  bool       // it may have been carried out, see Loose
	// strayed: the request left with a SYN that was not answered in time, and
	// may arrive yet.
	strayed bool
	early   bool // the answer has begun to arrive in Open
}

// Way is how a request is to reach the converter.
type Way int

// The ways of a connection that is made for the request.
const (
	Plain       Way = iota // after the handshake
	SYN                    // in the SYN, unless that went wrong of late
	SYNIfProven            // in the SYN where that is known to get through
)

// Plan chooses the line and the way for the next connection. way is the wish;
// what is known of the line decides.
func (c *Converter) Plan(way Way, mode config.Mode) (*Attempt, error) {
	to, line, err := c.addr(mode)
	if err != nil {
		return nil, err
	}
	a := c.over(line, to, way)
	a.Mode = mode
	return a, nil
}

// over is a connection over one line.
func (c *Converter) over(line uplink.WAN, to netip.AddrPort, way Way) *Attempt {
	source, _ := line.Source(to.Addr())
	a := &Attempt{
		Line: line, converter: c, to: to,
		dialer: mptcp.Dialer{
			Device: line.Device, Source: source, Mark: c.mark,
			ReceiveBuffer: receiveBuffer, Control: byBandwidth,
		},
	}
	switch way {
	case SYN:
		a.SynData = c.synData.allowed(a.route())
	case SYNIfProven:
		a.SynData = c.synData.proven(a.route())
	}
	a.dialer.SynData = a.SynData
	return a
}

// route is what the connection goes over.
func (a *Attempt) route() warm.Route {
	return warm.Route{Line: a.Line.Name, Source: a.dialer.Source, To: a.to}
}

// receiveBuffer holds what 150 Mbit/s bring in while the slower line's round
// trip of 200 ms lasts, and as much again for the kernel's bookkeeping. It is
// a bound: memory is used for data that waits only.
const receiveBuffer = 8 << 20

// KeepAlive finds dead peers and keeps NAT state on idle connections; one
// small packet each way every four minutes. A new connection has it not: most
// end long before, and its four system calls are spared.
var KeepAlive = net.KeepAliveConfig{Enable: true, Idle: 240 * time.Second, Interval: 30 * time.Second, Count: 4}

// oneSYN is the most that goes in a SYN, in bytes: what the least MTU of IPv6
// (1,280) takes beside headers and options. With more behind it, a lost third
// ACK would leave one end with MPTCP and the other without (docs/kernel-notes.md,
// 2.5).
const oneSYN = 1280 - 40 - 20 - 40

// Open connects. In the SYN-data way request leaves with the SYN if that takes
// it all and is answered in time, and SynData still says so; else the caller
// sends it, as Renew leaves it, on the connection it gets. A failure that tells of
// the converter's health is booked.
func (a *Attempt) Open(ctx context.Context, request []byte) (*relay.Socket, error) {
	if len(request) > oneSYN {
		a.SynData, a.dialer.SynData = false, false
	}
	timeout := max(a.converter.timeout, 3*a.converter.roundTrip(a.Line))
	if a.Mode != config.Bond {
		timeout += a.raceAfter() // for the line that comes into the race later
	}
	if !a.SynData {
		request = nil
	}
	until := time.Now().Add(timeout)
	conn, err := a.race(ctx, until, request)
	for range replans {
		if err == nil || !a.converter.outdated(err) || !a.replan(err) {
			break
		}
		conn, err = a.race(ctx, until, nil)
	}
	a.loose = err != nil && (a.strayed || request != nil && leftBehind(err))
	switch {
	case err == nil:
		return conn, nil
	case errors.Is(err, unix.ECONNREFUSED):
		a.converter.Fail(fmt.Errorf("%s refuses connections", a.to), 0)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, unix.ETIMEDOUT),
		errors.Is(err, unix.EHOSTUNREACH), errors.Is(err, unix.ENETUNREACH):
		// One lost SYN or the concentrator itself? A probe tells; this flow
		// does not wait for it.
		go a.converter.Verify(context.WithoutCancel(ctx))
	}
	return nil, fmt.Errorf("%s over %s: %w", a.to, a.Line.Name, err)
}

// replans is how often a connection that could not leave is planned anew: lines
// change their address and their routes one after the other.
const replans = 3

// replan makes the attempt, which failed with err, one of the line that is preferred
// now.
func (a *Attempt) replan(err error) bool {
	a.strayed = a.strayed || a.SynData && leftBehind(err)
	to, line, none := a.converter.addr(a.Mode)
	if none != nil {
		return false
	}
	again := a.converter.over(line, to, Plain)
	a.Line, a.to, a.dialer = again.Line, again.to, again.dialer
	a.SynData = false
	return true
}

// leftBehind tells whether a connection failed after its SYN had been sent, and
// not for want of something here, or by a refusal. A reset is one, also where it
// comes before the handshake was noticed here: see unsure.
func leftBehind(err error) bool {
	return slices.ContainsFunc([]error{
		context.DeadlineExceeded, context.Canceled, unix.ETIMEDOUT, unix.EHOSTUNREACH, unix.ENETUNREACH,
	}, func(late error) bool { return errors.Is(err, late) })
}

// Superseded tells whether connections are made over another line by now.
func (a *Attempt) Superseded() bool {
	now, ok := a.converter.route(a.Mode)
	return ok && now != a.route()
}

// Learn looks at a connection on which the converter's answer has arrived.
// It returns whether the connection is MPTCP.
func (a *Attempt) Learn(conn *relay.Socket) (isMPTCP bool) {
	c := a.converter
	if !a.SynData {
		isMPTCP, err := mptcp.IsMPTCP(conn)
		if err == nil {
			c.passes.learn(a.Line.Name, isMPTCP)
		}
		c.countZeroRTT(a.warm != nil)
		return isMPTCP
	}
	begun, err := mptcp.Opened(conn)
	if err != nil {
		c.countZeroRTT(a.warm != nil)
		return begun.MPTCP
	}
	c.passes.learn(a.Line.Name, begun.MPTCP)
	c.countZeroRTT(begun.SynDataAcked)
	c.learnSynData(a.route(), begun.SynDataAcked, begun.MPTCP)
	if a.early && begun.RTT > 0 {
		c.shookHands(a.Line.Name, begun.RTT)
	}
	return begun.MPTCP
}
