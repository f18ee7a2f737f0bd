package upstream

import (
	"io"
	"time"

	"tandem/cpe/handshake"
	"tandem/cpe/warm"
	"tandem/shared/convert"
	"tandem/shared/credential"
	"tandem/shared/nocmp"
	"tandem/shared/relay"
	"tandem/shared/reverse"
)

// Inbound is a connection from outside, on what was a parked connection. Its
// owner calls Accept or Refuse.
type Inbound struct {
	_ nocmp.Field
	reverse.Request
	Attempt *Attempt // which made the connection

	conn      *relay.Socket
	converter *Converter
}

// reversed tells whether what came on a parked connection is the concentrator's
// wish to connect a remote host to a LAN host, and if so hands it on.
func (c *Converter) reversed(w *warm.Conn) bool {
	if c.Inbound == nil {
		return false
	}
	var buf [handshake.RequestBuffer]byte
	n, err := w.Peek(buf[:])
	if err != nil {
		return false
	}
	kept := w.Note.(*held)
	r, size, ok := c.parseReverse(buf[:n], kept.nonce)
	if !ok {
		return false
	}
	if _, err := io.ReadFull(w, buf[:size]); err != nil {
		return false
	}
	c.Alive()
	a := *kept.attempt
	go c.Inbound(&Inbound{Request: r, Attempt: &a, conn: w.Socket, converter: c})
	return true
}

// parseReverse reads a request that is proven by the nonce of the connection's
// Hold, and says how long it is.
func (c *Converter) parseReverse(b []byte, hold credential.Nonce) (r reverse.Request, size int, ok bool) {
	var m convert.Message
	size, err := m.Parse(b, convert.FromConverter)
	if err != nil {
		return r, 0, false
	}
	r, ok = reverse.ParseRequest(&m)
	return r, size, ok && c.signer.Check(b[:size], &m, hold) == credential.Proven
}

// Accept answers that the LAN host is connected, and returns the connection to
// the remote host, whose bytes come next.
func (i *Inbound) Accept() (*relay.Socket, error) {
	if err := i.answer(reverse.Accepted); err != nil {
		i.conn.Close()
		return nil, err
	}
	return i.conn, nil
}

// Refuse answers why it is not: Error 32, 96 or 97.
func (i *Inbound) Refuse(code convert.Code) {
	_ = i.answer(code)
	i.conn.Close()
}

func (i *Inbound) answer(code convert.Code) error {
	b, err := reverse.AppendAnswer(nil, code, i.converter.signer)
	if err != nil {
		return err
	}
	_ = i.conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
	defer i.conn.SetWriteDeadline(time.Time{})
	_, err = i.conn.Write(b)
	return err
}
