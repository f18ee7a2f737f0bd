package handshake

import (
	"errors"
	"fmt"
	"io"
	"time"

	"tandem/shared/convert"
	"tandem/shared/credential"
	"tandem/shared/origin"
	"tandem/shared/wrapped"
)

// Kind is what an answer means for the flow.
type Kind int

const (
	Accepted    Kind = iota // connected; the server's bytes follow
	Refused                 // the server answered with a reset (Error 96)
	Unreachable             // no way to the server (Error 97)
	Busy                    // Errors 64 and 65: ask again after Wait
	Forbidden               // Errors 32 and 33: the concentrator's policy
	NeedsCookie             // Error 3: ask again with Cookie
	Broken                  // any other error: the two ends do not understand each other
	WrongTime               // Error 192, proven: the Signer's clock is right now, ask again
	NeedsOrigin             // Error 193: ask again and name the LAN host
	Unproven                // a signed request, and no proof that our concentrator answers: believe nothing
)

// Answer is the concentrator's answer to a request.
type Answer struct {
	Kind   Kind
	Code   convert.Code  // of the Error TLV, where there is one
	Wait   time.Duration // for Busy
	Cookie []byte        // for NeedsCookie
	// WantsOrigin: requests from now on are to name the LAN host (package origin).
	WantsOrigin bool
}

// Err returns the answer as an error, nil when it is Accepted.
func (a Answer) Err() error {
	switch {
	case a.Kind == Accepted:
		return nil
	case a.Kind == Unproven && a.Code != 0:
		return fmt.Errorf("%w (it says %q, error %d)", ErrUnproven, a.Code, a.Code)
	case a.Kind == Unproven:
		return ErrUnproven
	case a.Kind == WrongTime:
		return ErrWrongTime
	}
	return fmt.Errorf("concentrator answers %q (error %d)", a.Code, a.Code)
}

// ErrUnproven says that a signed request was answered by who does not have the
// key.
var ErrUnproven = errors.New("answers without proof: wrong key, or something in between answers")

// ErrWrongTime says that the clock has been set: ask again.
var ErrWrongTime = errors.New("this router's clock was too far off for the concentrator")

// AnswerBuffer is the size of buffer that ReadAnswer needs.
const AnswerBuffer = 4096

// RequestBuffer has room for any request.
const RequestBuffer = 1024

// ReadAnswer reads the one Convert message that comes before everything else.
// rest are the server's bytes that arrived together with it; they alias buf.
// With a Signer s, the one that signed the request with that nonce, all that
// lacks its proof is Unproven.
func ReadAnswer(r io.Reader, buf []byte, s *credential.Signer, nonce credential.Nonce) (a Answer, rest []byte, err error) {
	var m convert.Message
	n, have, err := convert.ReadMessage(r, buf, &m, convert.FromConverter)
	if _, wrong := wrapped.Find[*convert.SyntaxError](err); wrong && s != nil {
		return Answer{Kind: Unproven}, nil, nil
	}
	if err != nil {
		return Answer{}, nil, err
	}
	a = interpret(&m)
	if s == nil {
		return a, buf[n:have], nil
	}
	switch s.Check(buf[:n], &m, nonce) {
	case credential.Unproven:
		return Answer{Kind: Unproven, Code: a.Code}, nil, nil
	case credential.Retry:
		a.Kind = WrongTime
	}
	return a, buf[n:have], nil
}

func interpret(m *convert.Message) Answer {
	if !m.HasError {
		return Answer{Kind: Accepted, WantsOrigin: origin.IsWanted(m)}
	}
	a := Answer{Kind: Broken, Code: m.Error.Code}
	switch m.Error.Code {
	case convert.ConnectionReset:
		a.Kind = Refused
	case convert.DestinationUnreachable:
		a.Kind = Unreachable
	case convert.ResourceExceeded, convert.NetworkFailure:
		a.Kind = Busy
		a.Wait, _ = m.Error.Wait()
	case convert.NotAuthorized, convert.UnsupportedTCPOption:
		a.Kind = Forbidden
	case origin.Missing:
		a.Kind = NeedsOrigin
	case convert.MissingCookie:
		if cookie, ok := m.Error.Cookie(); ok {
			a.Kind, a.Cookie = NeedsCookie, append([]byte(nil), cookie...)
		}
	}
	return a
}
