package main

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"tandem/cpe/firstbytes"
	"tandem/cpe/intercept"
	"tandem/cpe/nfnetlink"
	"tandem/cpe/policy"
	"tandem/cpe/ruleset"
	"tandem/shared/relay"
)

// With accept=faithful a LAN host's SYN waits in a netfilter queue until its
// server has answered the concentrator:
//
//	accepted      the SYN goes on to the listener, the flow's relay follows
//	refused       it is answered with a reset, and never seen by the listener
//	unreachable   it is answered with ICMP
//	no answer     it is dropped; the LAN host repeats it as long as it likes
//
// The LAN host cannot have said anything by then, so the request travels
// without first bytes, and all else is as in conn.go.

// outcome is what became of a held flow.
type outcome struct {
	opened *opened // nil: it is not let in
	silent bool    // nothing is said
	how    ruleset.Refusal
}

// opened is a connection to a server, or to the concentrator that has one. It
// stands ready for the LAN host that is being let in.
type opened struct {
	up    *relay.Socket
	rest  []byte                        // of the server, read already
	begin func(lan *relay.Socket) error // hands both connections to the relay
}

const (
	// heldMost is how many SYNs wait at a time. More are accepted early.
	heldMost = 256
	// acceptTime is how long a LAN host may take to complete its handshake.
	acceptTime = 10 * time.Second
	// silence is the time from which on "unreachable" means that nobody has
	// answered. Who says so for a host that is down says it after some 3 s
	// (Linux: three ARP requests); the concentrator gives up later.
	silence = 5 * time.Second
)

// readQueue decides about SYNs until q is closed.
func (p *proxy) readQueue(ctx context.Context, q *nfnetlink.Queue) error {
	return q.Read(func(packet nfnetlink.Packet) {
		src, dst, ok := intercept.ParseSYN(packet.Payload)
		id, mark := packet.ID, packet.Mark
		if p.load() >= int(p.room.Load()) {
			p.crowded()
			_ = q.Decide(id, nfnetlink.Accept, ruleset.LetPass(mark))
			return
		}
		state := turnedAway
		if ok {
			state = p.held.begin(src, dst)
		}
		switch state {
		case waiting: // the LAN host has repeated its SYN
			_ = q.Decide(id, nfnetlink.Drop, mark)
		case standsReady, turnedAway:
			_ = q.Decide(id, nfnetlink.Accept, ruleset.LetIn(mark))
		case begun:
			syn := intercept.HeldSYN(packet.Payload, packet.Source)
			p.pending.Add(1)
			p.counters.setups.Add(1)
			go func() {
				defer p.pending.Done()
				defer p.counters.setups.Add(-1)
				verdict, mark := p.decide(ctx, src, dst, syn, mark)
				if err := q.Decide(id, verdict, mark); err != nil {
					p.log.Debug("a held SYN got no verdict", "src", src, "dst", dst, "err", err)
				}
			}()
		}
	})
}

// decide takes the steps 2 to 5 of a held flow.
func (p *proxy) decide(ctx context.Context, src, dst netip.AddrPort, syn *policy.SYN, mark uint32) (nfnetlink.Verdict, uint32) {
	f := &flow{src: src, dst: dst, syn: syn, log: p.log, started: time.Now(), first: firstbytes.New()}
	p.reach(ctx, f)
	f.first.Release()
	switch o := f.outcome; {
	case o.opened != nil:
		p.held.ready(src, dst, o.opened)
		return nfnetlink.Accept, ruleset.LetIn(mark)
	case o.silent, o.how == ruleset.Unreachable && time.Since(f.started) > silence:
		p.held.forget(src, dst)
		return nfnetlink.Drop, mark
	default:
		p.held.forget(src, dst)
		return nfnetlink.Accept, ruleset.TurnDown(mark, o.how)
	}
}

// letIn takes step 6 of a flow whose SYN was held.
func (p *proxy) letIn(f *flow, o *opened) {
	_, err := f.lan.Write(o.rest)
	if err == nil {
		err = o.begin(f.lan)
	}
	if err != nil {
		p.ranOut(err)
		_ = o.up.Reset()
		p.refuse(f, ruleset.Reset, err.Error())
	}
}

// heldFlows are the flows whose SYN waits, or whose LAN host was let in a
// moment ago and has not been accepted yet. The zero value is ready for use.
type heldFlows struct {
	mu      sync.Mutex
	flows   map[[2]netip.AddrPort]*heldFlow
	waiting int
}

type heldFlow struct {
	opened  *opened // nil while it waits
	tooLate *time.Timer
}

// holding says how a SYN stands to what is known of its flow.
type holding int

const (
	begun       holding = iota // the first of its flow
	waiting                    // another one waits
	standsReady                // its server has accepted
	turnedAway                 // too many wait
)

// begin notes a SYN.
func (h *heldFlows) begin(src, dst netip.AddrPort) holding {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch f := h.flows[[2]netip.AddrPort{src, dst}]; {
	case f != nil && f.opened == nil:
		return waiting
	case f != nil:
		return standsReady
	case h.waiting >= heldMost:
		return turnedAway
	}
	if h.flows == nil {
		h.flows = make(map[[2]netip.AddrPort]*heldFlow)
	}
	h.flows[[2]netip.AddrPort{src, dst}] = &heldFlow{}
	h.waiting++
	return begun
}

// ready says that the server of a flow has accepted.
func (h *heldFlows) ready(src, dst netip.AddrPort, o *opened) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.flows[[2]netip.AddrPort{src, dst}]
	h.waiting--
	f.opened = o
	f.tooLate = time.AfterFunc(acceptTime, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if key := [2]netip.AddrPort{src, dst}; h.flows[key] == f {
			delete(h.flows, key)
			_ = o.up.Reset()
		}
	})
}

// forget ends a flow that waits.
func (h *heldFlows) forget(src, dst netip.AddrPort) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting--
	delete(h.flows, [2]netip.AddrPort{src, dst})
}

// take returns what stands ready for a flow, once; nil for one that was not
// held.
func (h *heldFlows) take(src, dst netip.AddrPort) *opened {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.flows[[2]netip.AddrPort{src, dst}]
	if f == nil || f.opened == nil {
		return nil
	}
	f.tooLate.Stop()
	delete(h.flows, [2]netip.AddrPort{src, dst})
	return f.opened
}

// standing is how many stand ready.
func (h *heldFlows) standing() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.flows) - h.waiting
}

// clear gives up what stands ready.
func (h *heldFlows) clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for key, f := range h.flows {
		if f.opened != nil {
			f.tooLate.Stop()
			_ = f.opened.up.Reset()
			delete(h.flows, key)
		}
	}
}
