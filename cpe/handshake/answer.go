package handshake

import (
	"fmt"
	"io"
	"time"

	"github.com/tandem-mptcp/tandem/shared/convert"
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
)

// Answer is the concentrator's answer to a request.
type Answer struct {
	Kind   Kind
	Code   convert.Code  // of the Error TLV, where there is one
	Wait   time.Duration // for Busy
	Cookie []byte        // for NeedsCookie
}

// Err returns the answer as an error, nil when it is Accepted.
func (a Answer) Err() error {
	if a.Kind == Accepted {
		return nil
	}
	return fmt.Errorf("concentrator answers %q (error %d)", a.Code, a.Code)
}

// AnswerBuffer is the size of buffer that ReadAnswer needs.
const AnswerBuffer = 4096

// ReadAnswer reads the one Convert message that comes before everything else.
// rest are the server's bytes that arrived together with it; they alias buf.
func ReadAnswer(r io.Reader, buf []byte) (a Answer, rest []byte, err error) {
	var m convert.Message
	n, have, err := convert.ReadMessage(r, buf, &m, convert.FromConverter)
	if err != nil {
		return Answer{}, nil, err
	}
	return interpret(&m), buf[n:have], nil
}

func interpret(m *convert.Message) Answer {
	if !m.HasError {
		return Answer{Kind: Accepted}
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
	case convert.MissingCookie:
		if cookie, ok := m.Error.Cookie(); ok {
			a.Kind, a.Cookie = NeedsCookie, append([]byte(nil), cookie...)
		}
	}
	return a
}
