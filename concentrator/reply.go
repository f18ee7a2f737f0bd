package main

import (
	"context"
	"io"
	"time"

	"tandem/shared/mptcp"
	"tandem/shared/relay"
)

// answer sends the converter's first bytes. Where the request came in the SYN,
// they must not be written before the handshake is complete: the kernel would
// keep them for ever (Linux 6.12 to 7.3, see mptcp.Established).
func (s *server) answer(ctx context.Context, cpe *relay.Socket, message []byte) error {
	if _, halfOpen, _ := mptcp.Handshake(cpe); halfOpen {
		if err := s.handshake(ctx, nil, cpe); err != nil {
			return err
		}
	}
	return say(cpe, message)
}

// handshake waits until the handshake of a connection is complete, or the request
// of x has come again.
func (s *server) handshake(ctx context.Context, x *exchange, cpe *relay.Socket) error {
	if done, err := mptcp.Established(cpe); done || err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.settings.Load().config.Limits.RequestTimeout)
	defer cancel()
	x.whenAgain(cancel)
	defer x.whenAgain(nil)
	return mptcp.WaitEstablished(ctx, cpe)
}

func say(cpe *relay.Socket, message []byte) error {
	_ = cpe.SetWriteDeadline(time.Now().Add(5 * time.Second))
	_, err := cpe.Write(message)
	_ = cpe.SetWriteDeadline(time.Time{})
	return err
}

// settle waits for the handshake of a connection that is to be ended without a
// word. Before that the kernel may send no reset (Linux 6.18), and who sits
// there waits for nothing. A SYN whose sender is forged never completes one: it
// keeps its place among the pending for a moment, as if it had said nothing.
func (s *server) settle(ctx context.Context, cpe *relay.Socket) {
	const moment = 500 * time.Millisecond // a round trip
	if inSYN, err := mptcp.SynDataAcked(cpe); err != nil || !inSYN {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, moment)
	defer cancel()
	_ = mptcp.WaitEstablished(ctx, cpe)
}

// hangUp ends a connection after an Error TLV. The client's unread bytes must
// go first: closing over them would send a reset, which can overtake the
// error.
func hangUp(cpe *relay.Socket) {
	const (
		patience = 2 * time.Second
		enough   = 64 << 10
	)
	_ = cpe.CloseWrite()
	_ = cpe.SetReadDeadline(time.Now().Add(patience))
	_, _ = io.CopyN(io.Discard, cpe, enough)
	_ = cpe.Close()
}
