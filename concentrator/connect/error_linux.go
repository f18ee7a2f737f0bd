package connect

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"tandem/shared/convert"
)

// wait is how long clients are asked to stay away when this host is short of
// something. Ports and descriptors come back within seconds; RFC 8803 takes 0
// for 30 s or more.
const wait = 10 * time.Second

// Codes of ICMP type 3 (RFC 792, 1122) and of ICMPv6 type 1 (RFC 4443) for a
// host that does not answer.
const (
	hostUnreachable     = 1
	addressUnreachable6 = 3
)

// ICMP types that say "unreachable".
const (
	typeUnreachable  = 3
	typeUnreachable6 = 1
)

// Error is why a server could not be reached.
type Error struct {
	Code  convert.Code
	Value byte // with Error 97 the ICMP code (of ICMPv6 for an IPv6 server), with 64 and 65 the wait in seconds
	Err   error
}

// Error is the cause, and what the client is told.
func (e *Error) Error() string {
	return fmt.Sprintf("%s: %s", convert.Error{Code: e.Code}, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Append appends the Error message for the client to b.
func (e *Error) Append(b []byte) []byte {
	switch e.Code {
	case convert.DestinationUnreachable:
		return convert.AppendUnreachable(b, e.Value)
	case convert.ResourceExceeded, convert.NetworkFailure:
		return convert.AppendWait(b, e.Code, time.Duration(e.Value)*time.Second)
	}
	return convert.AppendError(b, e.Code)
}

// explain turns a failed dial into an *Error. What a router said (m, if some) decides, then
// the errno:
//
//	ICMP unreachable (port unreachable too)   97, with its code
//	other ICMP (time exceeded, ...)           97, host unreachable
//	RST: ECONNREFUSED, ECONNRESET             96
//	EHOSTUNREACH, ETIMEDOUT, ctx's deadline   97, host unreachable
//	EMFILE, ENFILE, ENOBUFS, ENOMEM, EAGAIN,
//	EADDRNOTAVAIL of connect: out of ports    64
//	no route, EADDRNOTAVAIL of bind: source
//	address not here, all else                65
func explain(ctx context.Context, err error, v6 bool, m icmp, some bool) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	unreachable := byte(hostUnreachable)
	if v6 {
		unreachable = addressUnreachable6
	}
	if some {
		six := m.origin == unix.SO_EE_ORIGIN_ICMP6
		if six && m.typ == typeUnreachable6 || !six && m.typ == typeUnreachable {
			unreachable = m.code
		}
		return &Error{convert.DestinationUnreachable, unreachable, fmt.Errorf("%w (icmp type %d code %d)", err, m.typ, m.code)}
	}
	if ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return &Error{convert.DestinationUnreachable, unreachable, err}
	}
	var call *os.SyscallError
	atBind := errors.As(err, &call) && call.Syscall == "bind"
	code, value := convert.NetworkFailure, convert.WaitSeconds(wait)
	var errno unix.Errno
	if errors.As(err, &errno) {
		switch errno {
		case unix.ECONNREFUSED, unix.ECONNRESET:
			code, value = convert.ConnectionReset, 0
		case unix.EHOSTUNREACH, unix.ETIMEDOUT:
			code, value = convert.DestinationUnreachable, unreachable
		case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.EAGAIN:
			code = convert.ResourceExceeded
		case unix.EADDRNOTAVAIL:
			if !atBind {
				code = convert.ResourceExceeded
			}
		}
	}
	return &Error{code, value, err}
}
