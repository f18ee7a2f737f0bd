package credential

import (
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"tandem/shared/convert"
	"tandem/shared/random"
)

// Signer is the client's end towards one converter: it signs requests, checks
// answers, and keeps how far the converter's clock is from its own. It may be
// used from many goroutines and must not be copied.
type Signer struct {
	Identity *Identity
	Now      func() time.Time // nil: time.Now
	Rand     io.Reader        // nil: package random

	offset atomic.Int64 // ms to add to the own clock
}

// Answer is what a Signer makes of an answer.
type Answer int

// The kinds of answer. The zero Answer is the harshest.
const (
	// Unproven is not from our converter, or not to this request: believe
	// nothing of it.
	Unproven Answer = iota
	// Proven is from our converter, to this request.
	Proven
	// Retry is a proven Error 192. The Signer's clock has been corrected: send
	// the request again on a new connection, signed again, once.
	Retry
)

// String is "unproven", "proven" or "retry".
func (a Answer) String() string {
	switch a {
	case Proven:
		return "proven"
	case Retry:
		return "retry"
	}
	return "unproven"
}

// Append appends a Credential TLV to msg, which must be one whole Convert
// message from its first byte to its last without user data, and corrects its
// Total Length. The nonce is for Check. It allocates only where msg lacks
// capacity (Len bytes).
//
// Each message sent is signed for itself: the same bytes on a second connection
// are a replay, and so is a copy of them (Again), but one that can be told from
// the first. On error msg is returned as it was: convert.ErrTooLong, or what
// Rand returned.
func (s *Signer) Append(msg []byte) ([]byte, Nonce, error) {
	var nonce Nonce
	if err := whole(msg, Len); err != nil {
		return msg, nonce, err
	}
	n := len(msg)
	b := append(msg, byte(TypeCredential), Len/4, format, 0)
	b = append(b, s.Identity.id[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(max(0, s.now()+s.offset.Load())))
	b = append(b, nonce[:]...)
	from := s.Rand
	if from == nil {
		from = random.Reader{}
	}
	if _, err := io.ReadFull(from, b[n+atNonce:]); err != nil {
		return msg, nonce, fmt.Errorf("credential: nonce: %w", err)
	}
	nonce = Nonce(b[n+atNonce:])
	b[1] = byte((len(b) + tagLen) / 4)
	tag := s.Identity.macs().credential.tag(nil, b)
	return append(b, tag[:]...), nonce, nil
}

// Again makes of a signed request its next copy, in place: one that a verifier
// takes for the same request, sent later. Msg is the whole message, without user
// data; the 256th copy is an error.
func (s *Signer) Again(msg []byte) error {
	n := len(msg) - Len
	if n < 0 || whole(msg, 0) != nil || convert.Type(msg[n]) != TypeCredential {
		return errors.New("credential: not a signed convert message")
	}
	if msg[n+atCopy] == 255 {
		return errors.New("credential: too many copies")
	}
	msg[n+atCopy]++
	tag := s.Identity.macs().credential.tag(nil, msg[:n+atTag])
	copy(msg[n+atTag:], tag[:])
	return nil
}

// Check judges the answer to the request with that nonce: msg is the message as
// received, without user data, and m what convert made of it. On Retry it has
// set the clock.
func (s *Signer) Check(msg []byte, m *convert.Message, nonce Nonce) Answer {
	p, ok := m.Lookup(TypeProof)
	at := p.Offset
	if !ok || at+ProofLen != len(msg) || p.End() != len(msg) || msg[at+atFormat] != format {
		return Unproven
	}
	tag := s.Identity.macs().proof.tag(nonce[:], msg[:at+atProofTag])
	if subtle.ConstantTimeCompare(tag[:], msg[at+atProofTag:]) != 1 {
		return Unproven
	}
	if m.HasError && m.Error.Code == WrongTime && len(m.Error.Value) > 8 {
		theirs := binary.BigEndian.Uint64(m.Error.Value[1:])
		s.offset.Store(int64(theirs) - s.now())
		return Retry
	}
	return Proven
}

// Offset is what is added to the own clock: how far the converter's is ahead.
func (s *Signer) Offset() time.Duration {
	const most = int64(1<<63-1) / int64(time.Millisecond)
	return time.Duration(min(max(s.offset.Load(), -most), most)) * time.Millisecond
}

// now is the own clock in ms.
func (s *Signer) now() int64 {
	if s.Now != nil {
		return s.Now().UnixMilli()
	}
	return time.Now().UnixMilli()
}

// whole says why a TLV of more bytes cannot be appended to msg.
func whole(msg []byte, more int) error {
	n, err := convert.Length(msg)
	switch {
	case err != nil || n != len(msg):
		return errors.New("credential: not one whole convert message")
	case n+more > convert.MaxMessage:
		return convert.ErrTooLong
	}
	return nil
}
