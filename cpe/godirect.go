package main

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"tandem/cpe/direct"
	"tandem/cpe/flows"
	"tandem/cpe/ruleset"
	"tandem/shared/relay"
)

// goDirect carries the flow without the concentrator, as a router would.
func (p *proxy) goDirect(ctx context.Context, f *flow) {
	server, err := direct.Dial(ctx, p.engine, f.dst, ruleset.MarkOwn, p.lines.Devices(f.dst.Addr()))
	if err != nil {
		p.ranOut(err)
		p.turnDown(f, saidDirectly(err))
		return
	}
	if f.lan == nil {
		f.outcome = outcome{opened: &opened{up: server, begin: func(lan *relay.Socket) error {
			f.lan = lan
			return p.joinDirect(f, server)
		}}}
		return
	}
	_, err = server.Write(f.first.Bytes())
	if err == nil {
		err = p.joinDirect(f, server)
	}
	if err != nil {
		p.ranOut(err)
		_ = server.Reset()
		p.refuse(f, ruleset.Reset, err.Error())
	}
}

// saidDirectly is what a failed connection attempt tells of the server.
func saidDirectly(err error) serverError {
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
		return serverError{err, true, ruleset.Reset}
	case errors.Is(err, unix.EHOSTUNREACH), errors.Is(err, unix.ETIMEDOUT):
		return serverError{err, true, ruleset.Unreachable}
	}
	return serverError{error: err}
}

// joinDirect hands both connections to the relay.
func (p *proxy) joinDirect(f *flow, server *relay.Socket) error {
	p.counters.direct.Add(1)
	account := p.ledger.Account("direct")
	account.Open()
	listed := &flows.Flow{Host: f.src, Destination: f.dst, Started: f.started, Mode: flows.Direct}
	options := relay.Options{Before: relay.Moved{Up: len(f.first.Bytes())}}
	return p.carry(listed, f.lan, server, options, func(_ *relay.Flow, r relay.Result) { account.Close(r.Up, r.Down) })
}
