package main

import (
	"net/netip"
	"time"

	"github.com/tandem-mptcp/tandem/concentrator/authorise"
	"github.com/tandem-mptcp/tandem/concentrator/clients"
	"github.com/tandem-mptcp/tandem/concentrator/limits"
	"github.com/tandem-mptcp/tandem/concentrator/receive"
	"github.com/tandem-mptcp/tandem/shared/convert"
	"github.com/tandem-mptcp/tandem/shared/credential"
)

// caller is the client that sent a request.
type caller struct {
	name   string
	limits *limits.Client
	where  *authorise.Destinations
	proof  credential.Result // without a key it proves nothing
}

// refusal is a no: what the sender is told, nil for not a byte, and what the
// log is told.
type refusal struct {
	answer []byte
	why    string
}

// who finds out of which client a request is: by its credential, or, where it
// has none, by its source and cookie. A wrong credential is a stranger's,
// wherever it comes from.
func (s *server) who(set *settings, source netip.Addr, r *receive.Request) (*caller, refusal) {
	res := s.verifier.Verify(s.keys, r.Bytes(), &r.Message)
	switch res.Verdict {
	case credential.Accepted:
		if e, ok := s.keys.store.Lookup(res.Key.ID()); ok {
			s.keys.store.Used(e)
			m := e.Prepared.(*member)
			return &caller{name: e.Client.Name, limits: m.limits, where: m.where, proof: res}, refusal{}
		}
		return nil, s.stranger(set, source, "client was removed or disabled this moment")
	case credential.Absent:
		return s.byAddress(set, source, r)
	case credential.Stale:
		answer, err := s.verifier.AppendWrongTime(nil, res)
		if err != nil { // cannot be: it is 36 bytes long
			return nil, refusal{why: err.Error()}
		}
		return nil, refusal{answer, "client's clock is off by " + (time.Duration(res.Ahead) * time.Millisecond).String()}
	case credential.Busy:
		return nil, refusal{sign(res, convert.AppendWait(nil, convert.ResourceExceeded, busyWait)), "no room to remember another credential"}
	case credential.Replayed:
		return nil, refusal{why: "credential was used before"}
	}
	return nil, s.stranger(set, source, "credential is wrong")
}

// busyWait is what a client is asked to wait when the memory of nonces is
// full: some of it is forgotten each time its window moves on.
const busyWait = 10 * time.Second

// byAddress finds a client that has no key.
func (s *server) byAddress(set *settings, source netip.Addr, r *receive.Request) (*caller, refusal) {
	client, no := set.gate.Who(source, r.Cookie())
	if client != nil {
		return &caller{name: client.Name, limits: s.admission.Client(client.Name), where: set.where}, refusal{}
	}
	if !set.gate.Answers(source) {
		return nil, refusal{why: no.Why}
	}
	return nil, refusal{no.Append(nil, r.Echo()), no.Why}
}

// stranger refuses one who showed a credential that is none. Whether its key is
// unknown or its tag wrong must not be seen from outside.
func (s *server) stranger(set *settings, source netip.Addr, why string) refusal {
	if !set.gate.Answers(source) {
		return refusal{why: why}
	}
	return refusal{convert.AppendError(nil, convert.NotAuthorized), why}
}

// sign closes an answer with a Proof, if the request showed a key.
func sign(res credential.Result, answer []byte) []byte {
	if res.Key == nil {
		return answer
	}
	// Fails for an answer that is too long only: receive leaves room.
	signed, _ := res.AppendProof(answer)
	return signed
}

// member is a client of the store, made ready for its connections.
type member struct {
	identity *credential.Identity
	limits   *limits.Client
	where    *authorise.Destinations
}

// keys finds clients' keys for the verifier.
type keys struct{ store clients.Store }

// Identity returns the key of that id, nil for none.
func (k keys) Identity(id credential.KeyID) *credential.Identity {
	e, ok := k.store.Lookup(id)
	if !ok {
		return nil
	}
	return e.Prepared.(*member).identity
}
