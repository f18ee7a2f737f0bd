package main

import (
	"net/netip"
	"time"

	"tandem/concentrator/authorise"
	"tandem/concentrator/clients"
	"tandem/concentrator/limits"
	"tandem/concentrator/receive"
	"tandem/concentrator/source"
	"tandem/shared/convert"
	"tandem/shared/credential"
)

// member is a client, made ready for its connections.
type member struct {
	name     string
	identity *credential.Identity // nil: known by its address or cookie
	limits   *limits.Client
	where    *authorise.Destinations
	source   source.Client // from where its servers are dialled
}

// refusal is a no: what the sender is told, nil for not a byte, and what the
// log is told.
type refusal struct {
	answer    []byte
	why       string
	blameless bool // it is not the sender's fault
}

// who finds out of which client a request is: by its credential, or, where it
// has none, by its source and cookie. A wrong credential is a stranger's,
// wherever it comes from. What is answered is to be signed with proof.
func (s *server) who(set *settings, source netip.Addr, r *receive.Request) (client *member, proof credential.Result, no refusal) {
	proof = s.verifier.Verify(&s.keys, r.Bytes(), &r.Message)
	switch proof.Verdict {
	case credential.Accepted:
		if e, ok := s.keys.store.Lookup(proof.Key.ID()); ok {
			s.keys.store.Used(e)
			return e.Prepared.(*member), proof, no
		}
		return nil, proof, s.stranger(set, source, "client was removed or disabled this moment")
	case credential.Absent:
		client, no = s.byAddress(set, source, r)
		return client, proof, no
	case credential.Stale:
		answer, err := s.verifier.AppendWrongTime(nil, proof)
		if err != nil { // cannot be: it is 36 bytes long
			return nil, proof, refusal{why: err.Error()}
		}
		return nil, proof, refusal{answer, "the time of the credential is not accepted, the client is told ours (once after a restart is normal); ahead by " + (time.Duration(proof.Ahead) * time.Millisecond).String(), s.lapses.forgive(proof)}
	case credential.Busy:
		answer := sign(proof, convert.AppendWait(nil, convert.ResourceExceeded, busyWait))
		return nil, proof, refusal{answer, "no room to remember another credential", true}
	case credential.Replayed:
		return nil, proof, refusal{why: "credential was used before", blameless: s.lapses.forgive(proof)}
	}
	return nil, proof, s.stranger(set, source, "credential is wrong")
}

// busyWait is what a client is asked to wait when the memory of nonces is
// full: some of it is forgotten each time its window moves on.
const busyWait = 10 * time.Second

// byAddress finds a client that has no key.
func (s *server) byAddress(set *settings, source netip.Addr, r *receive.Request) (*member, refusal) {
	client, no := set.gate.Who(source, r.Cookie())
	if client != nil {
		return set.members[client.Name], refusal{}
	}
	if !set.gate.Answers(source) {
		return nil, refusal{why: no.Why}
	}
	return nil, refusal{answer: no.Append(nil, r.Echo()), why: no.Why}
}

// stranger refuses one who showed a credential that is none. Whether its key is
// unknown or its tag wrong must not be seen from outside.
func (s *server) stranger(set *settings, source netip.Addr, why string) refusal {
	if !set.gate.Answers(source) {
		return refusal{why: why}
	}
	return refusal{answer: convert.AppendError(nil, convert.NotAuthorized), why: why}
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

// keys finds clients' keys for the verifier.
type keys struct{ store clients.Store }

// Identity returns the key of that id, nil for none.
func (k *keys) Identity(id credential.KeyID) *credential.Identity {
	e, ok := k.store.Lookup(id)
	if !ok {
		return nil
	}
	return e.Prepared.(*member).identity
}
