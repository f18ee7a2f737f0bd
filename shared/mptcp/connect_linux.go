package mptcp

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// connect begins a handshake without waiting for it.
func connect(fd int, to unix.Sockaddr) error {
	switch err := unix.Connect(fd, to); err {
	case nil, unix.EINPROGRESS, unix.EALREADY, unix.EINTR, unix.EISCONN:
		return nil
	default:
		return err
	}
}

// connectWithData begins a handshake whose SYN carries the first bytes of b,
// and returns how many were queued. EOPNOTSUPP means that nothing was sent
// and that the kernel will not.
//
// MSG_FASTOPEN and not TCP_FASTOPEN_CONNECT: with the option, connect reports
// success at once and the SYN leaves with the first write, whose result does
// not tell whether there was a handshake yet. Here one call gives one of:
//
//	n = len(b)        all of b is in the SYN, or in it and the send buffer
//	0 < n < len(b)    the SYN is full; the rest is for after the handshake
//	EINPROGRESS       a SYN without data left: there is no cookie yet, or TFO
//	                  is off for this destination after losses; nothing queued
//	other errors      as connect
func connectWithData(fd int, to unix.Sockaddr, b []byte) (n int, err error) {
	n, err = unix.SendmsgN(fd, b, nil, to, unix.MSG_FASTOPEN|unix.MSG_NOSIGNAL)
	switch err {
	case nil:
		return n, nil
	case unix.EINPROGRESS, unix.EALREADY:
		return 0, nil
	default:
		return 0, err
	}
}

// Connected tells whether the handshake of a socket is over, and how it ended.
// The wake-up it is called after may be a spurious one.
func Connected(fd int) (done bool, err error) {
	errno, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return true, err
	}
	if errno != 0 {
		return true, syscall.Errno(errno)
	}
	switch _, err := unix.Getpeername(fd); err {
	case nil:
		return true, nil
	case unix.ENOTCONN:
		return false, nil
	default:
		return true, err
	}
}
