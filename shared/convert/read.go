package convert

import (
	"errors"
	"io"
)

// maxEmptyReads is how often a reader may return nothing at all in a row.
const maxEmptyReads = 100

// ReadMessage reads one message sent by the side from into m, with buf for its
// bytes, at least MaxMessage long (io.ErrShortBuffer otherwise). It returns
// the length n of the message and the number have of bytes read: buf[n:have]
// is user data that came behind it. It reads no more than fits buf, never once
// the message is whole, and sets no deadline: that is for the caller.
//
// Errors: *SyntaxError (buf[:have] is what Reply.Append echoes; n as from
// Parse), io.EOF before the first byte, io.ErrUnexpectedEOF behind it,
// io.ErrNoProgress, or what r returned.
func ReadMessage(r io.Reader, buf []byte, m *Message, from Side) (n, have int, err error) {
	return ReadMore(r, buf, 0, m, from)
}

// ReadMore is ReadMessage where buf[:had] has been read already, as when a
// second message follows the first on one connection.
func ReadMore(r io.Reader, buf []byte, had int, m *Message, from Side) (n, have int, err error) {
	have = had
	if len(buf) < MaxMessage {
		return 0, have, io.ErrShortBuffer
	}
	for empty := 0; ; {
		n, err = m.Parse(buf[:have], from)
		if !errors.Is(err, ErrShort) {
			return n, have, err
		}
		got, err := r.Read(buf[have:])
		if have += got; got > 0 {
			// An error beside bytes comes again if they do not suffice.
			empty = 0
			if err == nil {
				continue
			}
			if n, perr := m.Parse(buf[:have], from); !errors.Is(perr, ErrShort) {
				return n, have, perr
			}
		}
		switch {
		case err == io.EOF && have > 0:
			return 0, have, io.ErrUnexpectedEOF
		case err != nil:
			return 0, have, err
		}
		if empty++; empty == maxEmptyReads {
			return 0, have, io.ErrNoProgress
		}
	}
}
