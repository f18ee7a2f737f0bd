package main

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"tandem/concentrator/receive"
	"tandem/concentrator/source"
	"tandem/shared/convert"
	"tandem/shared/credential"
	"tandem/shared/mptcp"
	"tandem/shared/origin"
	"tandem/shared/relay"
)

// sourceRules are what decides from where servers are dialled now.
func (s *server) sourceRules(set *settings) source.Rules {
	return source.Rules{Default: set.config.Connect.Source, Preserve: set.config.Connect.Preserve, Owners: s.keys.store.Owners()}
}

// sourceFor returns the address from which the client's server is dialled; not
// valid: one that clients share. false: the request has been answered, since the
// client may not be seen with an address, or must name the LAN host first.
func (s *server) sourceFor(ctx context.Context, set *settings, client *member, proof credential.Result, cpe *relay.Socket, r *receive.Request, dst netip.AddrPort) (from netip.Addr, ok bool) {
	rules := s.sourceRules(set)
	came := cpe.Remote().Addr()
	choice, err := rules.Choose(&client.source, source.Request{CPE: came, Host: origin.Host(&r.Message), Dst: dst.Addr()})
	switch {
	case errors.Is(err, source.ErrHostUnknown):
		_ = s.answer(ctx, cpe, sign(proof, convert.AppendError(nil, origin.Missing)))
		hangUp(cpe)
		return from, false
	case err != nil:
		s.counters.refused.Add(1)
		s.perClient.Line(slog.LevelWarn, client.name, "refused: an address that is not the client's", "client", client.name, "source", came, "reason", err)
		_ = s.answer(ctx, cpe, sign(proof, convert.AppendError(nil, convert.NotAuthorized)))
		hangUp(cpe)
		return from, false
	}
	if !choice.Addr.IsValid() {
		return from, true
	}
	if err := s.returns.Err(); err != nil {
		// Not from an address that clients share: the operator wants it otherwise.
		// The CPE goes direct.
		_ = s.answer(ctx, cpe, sign(proof, convert.AppendWait(nil, convert.NetworkFailure, returnWait)))
		hangUp(cpe)
		return from, false
	}
	if choice.Unproven && !whole(cpe) { // its SYN may have a forged source
		wait, cancel := context.WithTimeout(ctx, set.config.Limits.RequestTimeout)
		defer cancel()
		if err := mptcp.WaitEstablished(wait, cpe); err != nil {
			_ = cpe.Reset()
			return from, false
		}
	}
	return choice.Addr, true
}

// returnWait is what a client is asked to wait whose connections cannot be
// dialled from its own address.
const returnWait = 30 * time.Second
