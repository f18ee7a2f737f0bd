package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"tandem/cpe/firstbytes"
	"tandem/cpe/flows"
	"tandem/cpe/handshake"
	"tandem/cpe/health"
	"tandem/cpe/quota"
	"tandem/cpe/ruleset"
	"tandem/cpe/steer"
	"tandem/cpe/uplink"
	"tandem/cpe/upstream"
	"tandem/shared/account"
	"tandem/shared/logline"
	"tandem/shared/mptcp"
	"tandem/shared/relay"
	"tandem/shared/workers"
)

// proxy carries the connections of LAN hosts; conn.go is what it does with one.
type proxy struct {
	log      *logline.Logger
	settings atomic.Pointer[settings]
	lines    *uplink.Tracker
	quotas   *quota.Ledger
	budget   *health.Budget
	flows    flows.Table
	steerer  *steer.Steerer
	manager  *pathManager
	engine   *relay.Engine
	ledger   account.Ledger
	answers  sync.Pool // of *[handshake.AnswerBuffer]byte
	pending  sync.WaitGroup
	refusals *ruleset.Refusals
	ports    firstbytes.Ports
	held     heldFlows
	workers  *workers.Pool
	counters struct {
		accepted, relayed, mptcp, direct, inbound, refused, setups atomic.Int64
	}
	room  atomic.Int64  // flows from which on the LAN's next ones should go direct
	crowd chan struct{} // there are as many, or descriptors have run out
	short atomic.Int64  // when that was, Unix time in ns
}

func newProxy(log *logline.Logger, lines *uplink.Tracker) *proxy {
	p := &proxy{log: log, lines: lines, engine: relay.NewEngine(), crowd: make(chan struct{}, 1), refusals: ruleset.NewRefusals(), workers: workers.New(128)}
	p.room.Store(1 << 30)
	p.answers.New = func() any { return new([handshake.AnswerBuffer]byte) }
	return p
}

// accept takes connections from l until it is closed.
func (p *proxy) accept(ctx context.Context, l *mptcp.Acceptor) error {
	handle := func(lan *relay.Socket) {
		defer p.pending.Done()
		defer p.counters.setups.Add(-1)
		p.handle(ctx, lan)
	}
	for {
		lan, err := p.engine.Accept(l, func(netip.Addr) bool { return true })
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			// Out of descriptors, most likely: the next ones go direct, and the
			// kernel keeps this one meanwhile.
			p.ranOut(err)
			p.log.Warn("cannot accept LAN connections", "err", err)
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
			continue
		}
		p.counters.accepted.Add(1)
		if p.counters.setups.Add(1); p.load() >= int(p.room.Load()) {
			p.crowded()
		}
		p.pending.Add(1)
		p.workers.Do(func() { handle(lan) })
	}
}

// crowded asks for the LAN's next connections to go direct.
func (p *proxy) crowded() {
	select {
	case p.crowd <- struct{}{}:
	default:
	}
}

// ranOut notes an error for want of descriptors.
func (p *proxy) ranOut(err error) {
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		p.short.Store(time.Now().UnixNano())
		p.crowded()
	}
}

// shortLately says whether descriptors ran out in the last seconds.
func (p *proxy) shortLately() bool {
	return time.Now().UnixNano()-p.short.Load() < int64(5*time.Second)
}

// load is the number of connections held, those being set up included.
func (p *proxy) load() int {
	return p.engine.Active() + int(p.counters.setups.Load()) + p.held.standing()
}

// little is what a flow carries before it is worth asking which lines it went
// over: most of it was gone before there was another subflow.
const little = 4 << 10

// bookLines books a flow's bytes under the lines that carried them.
func (p *proxy) bookLines(up syscall.Conn, attempt *upstream.Attempt, r relay.Result) {
	attempt.Carried(up)
	if r.Up+r.Down <= little {
		p.ledger.Account("wan/"+attempt.Line.Name).Add(r.Up, r.Down)
		return
	}
	subflows, err := mptcp.Subflows(up)
	if err != nil || len(subflows) == 0 { // plain TCP, or ended already
		p.ledger.Account("wan/"+attempt.Line.Name).Add(r.Up, r.Down)
		return
	}
	for _, s := range subflows {
		if line, ok := p.lines.LineOf(s.Local.Addr()); ok {
			p.ledger.Account("wan/"+line).Add(int64(s.BytesAcked), int64(s.BytesReceived))
		}
	}
}

// compares tells whether flows may choose lines by their delay.
func (p *proxy) compares() bool { return p.settings.Load().config.Compares() }

// joined tells a concentrator whether a flow got a subflow over a line.
func (p *proxy) joined(concentrator string, line uplink.WAN, came bool) {
	for _, c := range p.settings.Load().concentrators {
		if c.Name == concentrator {
			c.Joined(line, came)
		}
	}
}

// targets are the addresses of the concentrators, the preferred one first.
func (p *proxy) targets() []netip.AddrPort {
	var all []netip.AddrPort
	for _, c := range p.settings.Load().config.Concentrators {
		for _, a := range c.Addresses {
			all = append(all, netip.AddrPortFrom(a, c.Port))
		}
	}
	return all
}
