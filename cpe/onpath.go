package main

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"tandem/shared/relay"
)

// relayOnPath takes the place of the steps 3 to 6 with a concentrator on the
// path: it is MPTCP to the server itself, which the concentrator takes over on
// its way. Without it the same connection reaches the server, as MPTCP or plain
// TCP. When it returns an error, the LAN connection and its first bytes are
// untouched.
func (p *proxy) relayOnPath(ctx context.Context, c *concentrator, f *flow) error {
	attempt, err := c.PlanServer(f.dst, f.mode)
	if err != nil {
		return err
	}
	up, isMPTCP, err := attempt.OpenServer(ctx)
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
		return saidDirectly(err)
	case err != nil:
		return err
	}
	if f.lan == nil {
		f.outcome = outcome{opened: &opened{up: up, begin: func(lan *relay.Socket) error {
			f.lan = lan
			return p.join(c, f, up, attempt, isMPTCP, 0)
		}}}
		return nil
	}
	if err = f.first.Take(f.lan); err == nil {
		_, err = up.Write(f.first.Bytes())
	}
	if err == nil {
		err = p.join(c, f, up, attempt, isMPTCP, 0)
	}
	if err != nil {
		p.ranOut(err)
		_ = up.Reset()
		return serverError{error: err}
	}
	return nil
}
