package mptcp

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// Unsent returns how many of the bytes written to a connection, its end
// included, have not been sent on any subflow yet. On plain TCP it is those not
// sent for the first time.
func Unsent(c syscall.Conn) (n int, err error) {
	err = control(c, func(fd uintptr) (err error) {
		n, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQNSD)
		return err
	})
	return n, err
}

// Full tells whether a connection takes no more bytes at present.
func Full(c syscall.Conn) (full bool) {
	err := control(c, func(fd uintptr) error {
		look := unix.PollFd{Fd: int32(fd), Events: unix.POLLOUT}
		poll(&look)
		full = look.Revents&unix.POLLOUT == 0
		return nil
	})
	return full && err == nil
}

// Push has the kernel try to send what is [Unsent].
//
// It tries when something is written and when an acknowledgement comes. What
// was written while a connection had no subflow stays where it is when it gets
// one: no timer runs (__mptcp_push_pending arms it only for what it has sent)
// and a join on the accepting side brings no acknowledgement, so a peer that
// waits for an answer waits for ever (Linux 6.12.117 by its source, 6.18.44
// measured). Setting TCP_NODELAY, which relays have anyway, makes it try again.
func Push(c syscall.Conn) error {
	return control(c, func(fd uintptr) error {
		return unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	})
}

// SetKeepAlive has a connection's subflows, and those to come, probe their peer as
// k, which must be enabled, says.
func SetKeepAlive(c syscall.Conn, k net.KeepAliveConfig) error {
	return control(c, func(fd uintptr) error { return setAll(int(fd), keepAlive(k)) })
}
