package convert

import (
	"strconv"
)

// Action is what the receiver of a bad message does with the connection.
type Action uint8

// The three reactions. The zero Action is the harshest.
const (
	Reset     Action = iota // abort it: RST, or MP_FASTCLOSE for MPTCP
	Close                   // it is not Convert: close without a byte
	SendError               // send an Error TLV, then close with FIN
)

// String is "reset", "close" or "error".
func (a Action) String() string {
	switch a {
	case Close:
		return "close"
	case SendError:
		return "error"
	}
	return "reset"
}

// Reply is the reaction to a bad message. A client always resets. What a
// converter does is its business with an authenticated client only: for a
// stranger any SendError may be turned into Close.
type Reply struct {
	Action Action
	Code   Code // with SendError
	Value  byte // with UnsupportedVersion the version spoken, with UnsupportedTCPOption the kind refused
}

// Append appends the Error message that r asks for to b, which stays as it is
// for any other action. Errors 1 and 2 echo received, the bytes of the stream
// from the message's first on; user data behind the message is left out.
func (r Reply) Append(b, received []byte) []byte {
	switch {
	case r.Action != SendError:
		return b
	case r.Code == MalformedMessage || r.Code == UnsupportedMessage:
		return AppendEcho(b, r.Code, received)
	}
	return appendByteError(b, r.Code, r.Value)
}

// SyntaxError is a message that breaks RFC 8803.
type SyntaxError struct {
	What   string // what is wrong
	Type   Type   // the TLV at fault; 0 where Offset is in the header
	Offset int    // byte of the message at which the fault is
	Reply  Reply  // what the receiver has to do

	// Complete says that all TLVs could be told apart and only the content of
	// one is refused (unknown type, duplicate, forbidden destination, ...): the
	// Message holds the others, and Parse returned its length.
	Complete bool
}

// Error says what is wrong and where.
func (e *SyntaxError) Error() string {
	s := "convert: malformed "
	if e.Offset < HeaderLen {
		s += "header"
	} else {
		s += strconv.Quote(e.Type.String())
	}
	return s + " at byte " + strconv.Itoa(e.Offset) + ": " + e.What
}

func (e *SyntaxError) bad() bool { return e.What != "" }

// err moves e to the heap, which only a bad message pays for.
func (e SyntaxError) err(from Side) error {
	if from == FromConverter {
		e.Reply = Reply{Action: Reset}
	}
	return &e
}

// malformed is a fault answered with Error 1.
func malformed(t Type, at int, what string) SyntaxError {
	return SyntaxError{What: what, Type: t, Offset: at, Reply: Reply{Action: SendError, Code: MalformedMessage}}
}
