package main

import (
	"context"
	"io"
	"time"

	"github.com/tandem-mptcp/tandem/shared/mptcp"
	"github.com/tandem-mptcp/tandem/shared/relay"
)

// answer sends the converter's first bytes. Where the request came in the SYN,
// they must not be written before the handshake is complete: the kernel would
// keep them for ever (Linux 6.12 to 7.3, see mptcp.Established).
func (s *server) answer(ctx context.Context, cpe *relay.Socket, message []byte) error {
	inSYN, _ := mptcp.SynDataAcked(cpe)
	return s.answerTo(ctx, cpe, inSYN, message)
}

// answerTo is answer where it is known whether the request came in the SYN.
func (s *server) answerTo(ctx context.Context, cpe *relay.Socket, inSYN bool, message []byte) error {
	if inSYN {
		ctx, cancel := context.WithTimeout(ctx, s.settings.Load().config.Limits.RequestTimeout)
		defer cancel()
		if err := mptcp.WaitEstablished(ctx, cpe); err != nil {
			return err
		}
	}
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
