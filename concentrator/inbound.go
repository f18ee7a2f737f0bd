package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"tandem/concentrator/bindlog"
	"tandem/concentrator/config"
	"tandem/concentrator/forward"
	"tandem/shared/convert"
	"tandem/shared/credential"
	"tandem/shared/relay"
	"tandem/shared/reverse"
)

// A connection from outside, from its first packet to its last:
//
//	1 accept    on a port that is a client's (package forward)
//	2 take      one of the connections that the client's CPE has parked
//	3 ask       the CPE to connect to the LAN host, and wait for its answer
//	4 relay     until both sides have ended
//
// The CPE may write a request of its own on the parked connection in the same
// moment. Then both give it up and try another.
func (s *server) inbound(ctx context.Context, remote *relay.Socket, p forward.Port) {
	if s.draining.Load() {
		_ = remote.Reset()
		return
	}
	limits := s.admission.Client(p.Client)
	admitted := limits.Admit(time.Now())
	if !admitted.OK {
		s.counters.overload.Add(1)
		s.perClient.Line(slog.LevelInfo, p.Client, "over a limit", "client", p.Client, "reason", admitted.Why)
		_ = remote.Reset()
		return
	}
	cpe, early, err := s.askFor(ctx, remote, p)
	if err != nil {
		limits.Release(false)
		s.counters.failed.Add(1)
		s.perClient.Line(slog.LevelInfo, p.Client, "a connection from outside goes nowhere", "client", p.Client, "port", p.Number, "source", remote.Remote().Addr(), "reason", err)
		_ = remote.Reset()
		return
	}
	limits.Connected()
	account := s.ledger.Account(p.Client)
	_, err = remote.Write(early) // a banner of the LAN host
	if err == nil {
		s.counters.inbound.Add(1)
		account.Open()
		var flow *relay.Flow
		flow, err = s.engine.Start(cpe.conn, remote, relay.Options{
			Up: limits.Up(), Down: limits.Down(), Tag: cpe.client,
			Done: func(_ *relay.Flow, res relay.Result) {
				account.Close(res.Up, res.Down)
				limits.Release(true)
			},
		})
		if err == nil {
			if cpe.client.identity != nil && !s.keys.store.Enabled(p.Client) {
				flow.Abort(errCut)
			}
			return
		}
		account.Close(0, 0)
	}
	limits.Release(true)
	_ = remote.Reset()
	_ = cpe.conn.Reset()
}

const (
	// awaitParked is how long a connection waits for its CPE to have one parked.
	awaitParked = 5 * time.Second
	// askTries is how many parked connections are tried. One may have been
	// forgotten on the way.
	askTries = 3
)

// askFor takes a parked connection and has the CPE connect it to the LAN host.
// early are the LAN host's first bytes.
func (s *server) askFor(ctx context.Context, remote *relay.Socket, p forward.Port) (c *parkedConn, early []byte, err error) {
	expired := time.NewTimer(awaitParked)
	defer expired.Stop()
	for try := 0; try < askTries; {
		c, more := s.parking.takeOf(p.Client)
		if c == nil {
			select {
			case <-more:
				continue
			case <-expired.C:
				return nil, nil, errors.New("no connection to the router is parked: is it online?")
			case <-ctx.Done():
				return nil, nil, context.Cause(ctx)
			}
		}
		early, err = s.ask(ctx, c, remote, p, time.Second<<try)
		if err == nil {
			return c, early, nil
		}
		_ = c.conn.Reset()
		var no refusedBy
		if errors.As(err, &no) {
			return nil, nil, err
		}
		try++
	}
	return nil, nil, err
}

// refusedBy is the CPE's no.
type refusedBy struct{ code convert.Code }

func (r refusedBy) Error() string {
	return fmt.Sprintf("the router answers %q (error %d)", r.code, r.code)
}

// ask writes the request on c and reads the answer.
func (s *server) ask(ctx context.Context, c *parkedConn, remote *relay.Socket, p forward.Port, patience time.Duration) (early []byte, err error) {
	message, err := reverse.AppendRequest(nil, reverse.Request{
		Remote: remote.Remote(), External: p.Number, To: p.To,
	}, c.proof)
	if err != nil {
		return nil, err
	}
	if err := s.answer(ctx, c.conn, message); err != nil {
		return nil, err
	}
	r := s.requests.Get()
	defer s.requests.Put(r)
	if err := r.Read(c.conn, time.Now().Add(patience)); err != nil {
		return nil, fmt.Errorf("no answer from the router: %w", err)
	}
	code, ok := reverse.ParseAnswer(&r.Message)
	if !ok {
		return nil, errors.New("the router wanted the connection in the same moment")
	}
	proof := s.verifier.Verify(&s.keys, r.Bytes(), &r.Message)
	if proof.Verdict != credential.Accepted {
		return nil, fmt.Errorf("the router's answer has a credential that is %s", proof.Verdict)
	}
	if e, ok := s.keys.store.Lookup(proof.Key.ID()); !ok || e.Prepared.(*member).name != p.Client {
		return nil, errors.New("another client has answered")
	}
	if code != reverse.Accepted {
		return nil, refusedBy{code}
	}
	return append([]byte(nil), r.Early()...), nil
}

// newForwards makes the listeners for connections from outside.
func (s *server) newForwards(local bindlog.Range) *forward.Listeners {
	return &forward.Listeners{
		Log: s.log,
		Addresses: func(client string) (all []netip.Addr) {
			set := s.settings.Load()
			for _, a := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
				if own := set.sources.For(client, a.Is6()); own.IsValid() {
					a = own
				}
				all = append(all, a)
			}
			return all
		},
		May: func(p reverse.Ports) error { return mayForward(s.settings.Load().config, local, p) },
	}
}

// mayForward says why ports cannot be a client's: the operator does not allow
// them, or this host uses one itself.
func mayForward(cfg *config.Config, local bindlog.Range, p reverse.Ports) error {
	allowed := func(a reverse.Ports) bool { return a.First <= p.First && p.Last <= a.Last }
	if !slices.ContainsFunc(cfg.Forward.Ports, allowed) {
		return fmt.Errorf("port %s is not among those that the configuration allows: forward.ports = %v", p, cfg.Forward.Ports)
	}
	for _, a := range append(slices.Clone(cfg.Listen), cfg.Metrics) {
		if a.IsValid() && p.Has(a.Port()) {
			return fmt.Errorf("port %d is the concentrator's own", a.Port())
		}
	}
	for port := int(p.First); port <= int(p.Last); port++ {
		if local.Has(uint16(port)) {
			return fmt.Errorf("port %d is one of those from which servers are dialled; see sysctl net.ipv4.ip_local_port_range and ip_local_reserved_ports", port)
		}
	}
	return nil
}
