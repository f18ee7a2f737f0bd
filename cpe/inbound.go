package main

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"tandem/cpe/flows"
	"tandem/cpe/intercept"
	"tandem/cpe/ruleset"
	"tandem/cpe/upstream"
	"tandem/shared/convert"
	"tandem/shared/mptcp"
	"tandem/shared/relay"
)

// One connection from outside, which the concentrator has taken for us:
//
//	1 redirect   which LAN host it is for
//	2 dial       plain TCP to that host, from the remote host's address
//	3 answer     the concentrator
//	4 relay      until both sides have ended
func (p *proxy) inbound(c *concentrator, in *upstream.Inbound) {
	started := time.Now()
	to, router, ok := p.redirect(c, in)
	if !ok {
		p.log.Warn("a connection from outside is not wanted", "concentrator", c.Name, "port", in.External, "remote", in.Remote)
		in.Refuse(convert.NotAuthorized)
		return
	}
	lan, err := p.dialLAN(to, in.Remote, router)
	if err != nil {
		p.log.Debug("LAN host not reached from outside", "host", to, "remote", in.Remote, "err", err)
		code := convert.DestinationUnreachable
		if errors.Is(err, unix.ECONNREFUSED) {
			code = convert.ConnectionReset
		}
		in.Refuse(code)
		return
	}
	up, err := in.Accept()
	if err != nil {
		_ = lan.Reset()
		return
	}
	p.counters.inbound.Add(1)
	host := p.ledger.Account("host/" + to.Addr().String())
	host.Open()
	listed := &flows.Flow{
		Host: to, Destination: in.Remote, Started: started, Inbound: true,
		Mode: in.Attempt.Mode.String(), Steering: in.Attempt.Mode, Concentrator: c.Name, Line: in.Attempt.Line.Name,
	}
	err = p.carry(listed, lan, up, relay.Options{}, func(ended *relay.Flow, r relay.Result) {
		host.Close(r.Up, r.Down)
		p.bookLines(ended.Server(), in.Attempt, r)
	})
	if err != nil {
		host.Close(0, 0)
		_ = lan.Reset()
		_ = up.Reset()
	}
}

// redirect finds the LAN host that a connection is for. router: it is to see
// this router's address.
func (p *proxy) redirect(c *concentrator, in *upstream.Inbound) (to netip.AddrPort, router, ok bool) {
	s := p.settings.Load()
	for _, r := range s.config.Redirects {
		if r.Ports.Has(in.External) {
			return r.Target(in.External), r.Router, true
		}
	}
	if in.To.IsValid() && c.from.Forwards && !convert.Forbidden(in.To.Addr()) {
		return in.To, false, true
	}
	return to, false, false
}

// lanPatience is how long a LAN host may take: it is near, and the
// concentrator's own patience ends soon after.
const lanPatience = 3 * time.Second

// dialLAN connects to a LAN host. That it sees the remote host as its peer
// needs answers that come by this router, as a LAN host's do; our own programs'
// would not.
func (p *proxy) dialLAN(to, remote netip.AddrPort, router bool) (*relay.Socket, error) {
	ctx, cancel := context.WithTimeout(context.Background(), lanPatience)
	defer cancel()
	own := to.Addr().IsLoopback() || slices.Contains(p.settings.Load().facts.Local, to.Addr())
	d := mptcp.Dialer{Plain: true, KeepAlive: intercept.KeepAlive}
	if router || own || to.Addr().Is4() != remote.Addr().Is4() {
		d.Mark = ruleset.MarkOwn
		return p.engine.Dial(ctx, &d, to, nil)
	}
	d.From = remote
	conn, err := p.engine.Dial(ctx, &d, to, nil)
	if errors.Is(err, unix.EADDRINUSE) || errors.Is(err, unix.EADDRNOTAVAIL) {
		// The same caller a moment ago; the LAN host sees another port of it.
		d.From = netip.AddrPortFrom(remote.Addr(), 0)
		conn, err = p.engine.Dial(ctx, &d, to, nil)
	}
	return conn, err
}
