// Package receive reads the one Convert message with which a connection
// starts, and says what to do with a connection that starts otherwise.
package receive

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"tandem/shared/convert"
)

// bufferLen is all that is ever read of a connection before it is accepted:
// the longest message and what a LAN host says first, a segment or two.
const bufferLen = 4 << 10

// Request is one message and the bytes that came behind it. It is large, and
// needed only until the connection is relayed: take it from a [Pool].
type Request struct {
	Message convert.Message // aliases the buffer

	buf     [bufferLen]byte
	n, have int
}

// Pool keeps Requests. The zero value is ready.
type Pool struct{ pool sync.Pool }

// Get returns a Request to read into.
func (p *Pool) Get() *Request {
	if r, ok := p.pool.Get().(*Request); ok {
		return r
	}
	return new(Request)
}

// Put gives r back. Nothing that Message, Early, Bytes or Cookie returned may
// be used after it.
func (p *Pool) Put(r *Request) { p.pool.Put(r) }

// Read reads from c until the message is whole, wrong, or deadline is past,
// however slowly bytes come, and clears the deadline. See
// [convert.ReadMessage] for errors, and [Request.Refuse] for what to do about
// them.
func (r *Request) Read(c net.Conn, deadline time.Time) error {
	r.n, r.have = 0, 0
	if err := c.SetReadDeadline(deadline); err != nil {
		return err
	}
	var err error
	r.n, r.have, err = convert.ReadMessage(c, r.buf[:], &r.Message, convert.FromClient)
	return errors.Join(err, c.SetReadDeadline(time.Time{}))
}

// Early returns the bytes behind the message, at most about 4 KiB less the
// message. More may be waiting in the socket.
func (r *Request) Early() []byte { return r.buf[min(r.n, r.have):r.have] }

// Bytes returns what was read of the message.
func (r *Request) Bytes() []byte {
	if r.n > 0 {
		return r.buf[:min(r.n, r.have)]
	}
	return r.buf[:r.have]
}

// Echo returns as much of the message as an Error can echo that may have to be
// closed with a tag.
func (r *Request) Echo() []byte {
	const room = 64
	b := r.Bytes()
	return b[:min(len(b), convert.MaxMessage-room)]
}

// Cookie returns the value of the Cookie TLV, nil if there is none.
func (r *Request) Cookie() []byte {
	if !r.Message.HasCookie {
		return nil
	}
	return r.Message.Cookie
}

// Refuse says how to end the connection on which Read failed with err: with
// convert.SendError, write the message appended to b and close with FIN. Who
// may not be answered is closed without a byte where the RFC asks for an
// Error.
func (r *Request) Refuse(b []byte, err error, answer bool) ([]byte, convert.Action) {
	var syntax *convert.SyntaxError
	switch {
	case errors.As(err, &syntax) && syntax.Reply.Action == convert.SendError && !answer:
		return b, convert.Close
	case errors.As(err, &syntax):
		return syntax.Reply.Append(b, r.Echo()), syntax.Reply.Action
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, os.ErrDeadlineExceeded):
		return b, convert.Close // a port scan, a health check, someone too slow
	}
	return b, convert.Reset
}
