package credential

import (
	"crypto/subtle"
	"encoding/binary"

	"tandem/shared/convert"
)

// Keys finds keys by their id.
type Keys interface {
	// Identity returns the key of that id, nil for none. While a client's key
	// is replaced both of its ids are found. It must take the same time for any
	// id, as a map lookup does.
	Identity(id KeyID) *Identity
}

// Verdict is what a Verifier thinks of a message.
type Verdict int

// The verdicts. The zero Verdict is the harshest. The first two are about
// strangers; in the others the tag is right and the Result has a Key, so that
// the answer can be proven.
const (
	// Refused is a Credential of an unknown key, with a wrong tag, of another
	// format, or not at the end of the message. Which of these is not told.
	Refused Verdict = iota
	// Absent is a message without a Credential.
	Absent
	// Stale is a time outside the window: answer with AppendWrongTime.
	Stale
	// Replayed is a nonce seen before. Its sender is probably not the client:
	// close without an answer.
	Replayed
	// Busy means that the nonce cannot be remembered, since the cache is full
	// or the converter about to stop, and so cannot be accepted: answer with
	// Error 64.
	Busy
	// Accepted is the client, for the first time.
	Accepted
)

// String is the verdict in one lower-case word.
func (v Verdict) String() string {
	switch v {
	case Absent:
		return "absent"
	case Stale:
		return "stale"
	case Replayed:
		return "replayed"
	case Busy:
		return "busy"
	case Accepted:
		return "accepted"
	}
	return "refused"
}

// Result is a verdict and what is known of the sender. For strangers all but
// the verdict is zero.
type Result struct {
	Verdict Verdict
	Key     *Identity
	Nonce   Nonce
	Copy    int   // how often the client had sent this request before, see [Signer.Again]
	Ahead   int64 // ms that the client's clock is ahead of ours
}

// Verifier is the converter's end. It may be used from many goroutines.
type Verifier struct {
	clock clock
	cache *cache
	dummy *Identity
}

// NewVerifier returns a Verifier that remembers up to capacity credentials, 0
// for DefaultCapacity. Without a snapshot (Restore) it asks each client whose
// time could have been used before the restart for a newer one.
func NewVerifier(capacity int) *Verifier {
	return newVerifier(capacity, newClock(systemClock()))
}

func newVerifier(capacity int, c clock) *Verifier {
	return &Verifier{clock: c, cache: newCache(capacity), dummy: NewIdentity(NewKey())}
}

// Verify judges one request: msg is the message as received, without user data,
// and m what convert made of it, also where that is a *convert.SyntaxError with
// Complete set. It keeps neither and does not allocate, but for the cache while
// it grows.
//
// The order is tag, time, nonce. A stranger gets no further than the tag, and a
// key that is not known costs what a wrong tag costs. Only what is Accepted is
// remembered.
func (v *Verifier) Verify(keys Keys, msg []byte, m *convert.Message) Result {
	c, ok := m.Lookup(TypeCredential)
	if !ok {
		return Result{Verdict: Absent}
	}
	at := c.Offset
	if at+Len != len(msg) || c.End() != len(msg) || msg[at+atFormat] != format {
		return Result{}
	}
	tlv := msg[at:]
	key := keys.Identity(KeyID(tlv[atID:]))
	known := key != nil
	if !known {
		key = v.dummy
	}
	tag := key.macs().credential.tag(nil, msg[:at+atTag])
	if subtle.ConstantTimeCompare(tag[:], tlv[atTag:]) != 1 || !known {
		return Result{}
	}
	r := Result{Verdict: Stale, Key: key, Nonce: Nonce(tlv[atNonce:]), Copy: int(tlv[atCopy])}
	t, now := binary.BigEndian.Uint64(tlv[atTime:]), v.clock.now()
	if t > 1<<62 { // or the arithmetic below overflows
		return r
	}
	r.Ahead = int64(t) - now
	if !v.clock.accepts(int64(t), now) {
		return r
	}
	r.Verdict = v.cache.add(key.id, r.Nonce, int64(t))
	return r
}

// AppendProof appends a Proof TLV to msg, the whole answer to the request that
// r is about, and corrects its Total Length; ProofLen bytes. On error msg is
// returned as it was: convert.ErrTooLong, so an echo must leave room.
func (r Result) AppendProof(msg []byte) ([]byte, error) {
	if r.Key == nil {
		return msg, errStranger
	}
	if err := whole(msg, ProofLen); err != nil {
		return msg, err
	}
	b := append(msg, byte(TypeProof), ProofLen/4, format, 0)
	b[1] = byte((len(b) + tagLen) / 4)
	tag := r.Key.macs().proof.tag(r.Nonce[:], b)
	return append(b, tag[:]...), nil
}

// AppendWrongTime appends the whole answer to a Stale request: Error 192 with
// the time that the client is to take for now, and the Proof. 36 bytes.
func (v *Verifier) AppendWrongTime(b []byte, r Result) ([]byte, error) {
	if r.Key == nil {
		return b, errStranger
	}
	n := len(b)
	b = append(b, convert.Version, 4, convert.Magic>>8, convert.Magic&0xff,
		byte(convert.TypeError), 3, byte(WrongTime), 0)
	b = binary.BigEndian.AppendUint64(b, uint64(v.clock.advice()))
	out, err := r.AppendProof(b[n:])
	return append(b[:n], out...), err
}
