package authorise

import "tandem/shared/convert"

// Refusal is a "no" and what to tell the client, if it may be told anything
// (see [Gate.Answers]).
type Refusal struct {
	Code   convert.Code
	Cookie []byte // with convert.MissingCookie: what the client is to come back with
	Why    string // for the log
}

// Append appends the Error message of r to b. received is the message that is
// refused: an Error 1 echoes it.
func (r Refusal) Append(b, received []byte) []byte {
	if r.Code == convert.MissingCookie {
		m := convert.ErrorMessage(r.Code, convert.CookieValue(nil, r.Cookie))
		b, _ = m.Append(b) // cannot fail: a cookie of ours is short
		return b
	}
	return convert.Reply{Action: convert.SendError, Code: r.Code}.Append(b, received)
}

// Error is the reason.
func (r Refusal) Error() string { return r.Why }
