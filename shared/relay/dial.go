package relay

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"tandem/shared/mptcp"
)

// Dial is [mptcp.Dialer.Dial] for a Socket.
func (e *Engine) Dial(ctx context.Context, d *mptcp.Dialer, to netip.AddrPort, first []byte) (*Socket, error) {
	p, err := e.Begin(ctx, d, to, first)
	if err != nil {
		return nil, err
	}
	return p.Finish(ctx)
}

// Dialling is a connection whose first packet is out.
type Dialling struct {
	socket *Socket
	dialer *mptcp.Dialer
	rest   []byte // of the first bytes, for after the handshake
	over   bool   // the handshake is, and with what
	err    error
}

// Begin sends the SYN, with as much of first as it takes.
func (e *Engine) Begin(ctx context.Context, d *mptcp.Dialer, to netip.AddrPort, first []byte) (*Dialling, error) {
	if ctx.Err() != nil {
		return nil, d.Explain(to, ctx.Err())
	}
	fd, sent, err := d.Start(to, first)
	if err != nil {
		return nil, d.Explain(to, err)
	}
	s, err := e.adopt(fd, to)
	if err != nil {
		closeFD(fd)
		return nil, d.Explain(to, err)
	}
	return &Dialling{socket: s, dialer: d, rest: first[sent:]}, nil
}

// errDone ends a wait whose context has ended.
var errDone = errors.New("done")

// Connected waits for the end of the handshake, at most for patience. Unless it
// is over by then, or ctx has ended, the connection is still on its way.
func (p *Dialling) Connected(ctx context.Context, patience time.Duration) (over bool, err error) {
	if p.over {
		return true, p.err
	}
	_ = p.socket.SetWriteDeadline(time.Now().Add(patience))
	defer p.socket.SetWriteDeadline(time.Time{})
	return p.connected(ctx)
}

func (p *Dialling) connected(ctx context.Context) (over bool, err error) {
	s := p.socket
	if err := s.enter(); err != nil {
		return true, err
	}
	defer s.leave()
	for {
		err := s.wait(&s.out, ctx.Done())
		switch {
		case err == errDone:
			return true, ctx.Err()
		case errors.Is(err, os.ErrDeadlineExceeded):
			return false, nil
		case err != nil:
			return true, err
		}
		if s.connected() {
			p.over = true
			return true, nil
		}
		if done, err := mptcp.Connected(s.fd); done {
			p.over, p.err = true, err
			return true, err
		}
	}
}

// Wait waits for the end of the handshake.
func (p *Dialling) Wait(ctx context.Context) error {
	if p.over {
		return p.err
	}
	_, err := p.connected(ctx) // what ends it is ctx, or the kernel
	return err
}

// Control calls f with the descriptor.
func (p *Dialling) Control(f func(fd uintptr) error) error {
	err := error(nil)
	if cerr := (rawSocket{p.socket}).Control(func(fd uintptr) { err = f(fd) }); cerr != nil {
		return cerr
	}
	return err
}

// Socket is the connection, once Wait has returned nil.
func (p *Dialling) Socket() *Socket { return p.socket }

// Finish waits for the end of the handshake, sends what the SYN did not take
// and returns the connection.
func (p *Dialling) Finish(ctx context.Context) (*Socket, error) {
	err := p.Wait(ctx)
	if err == nil {
		err = p.sendRest(ctx)
	}
	if err != nil {
		p.Abandon()
		return nil, p.dialer.Explain(p.socket.remote, err)
	}
	return p.socket, nil
}

// Abandon gives the connection up.
func (p *Dialling) Abandon() { _ = p.socket.Close() }

func (p *Dialling) sendRest(ctx context.Context) error {
	if len(p.rest) == 0 {
		return nil
	}
	stop := context.AfterFunc(ctx, func() { _ = p.socket.SetWriteDeadline(time.Unix(1, 0)) })
	_, err := p.socket.Write(p.rest)
	if !stop() {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("send the first bytes: %w", err)
	}
	return nil
}
