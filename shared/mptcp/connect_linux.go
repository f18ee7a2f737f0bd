package mptcp

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// connect begins a handshake without waiting for it.
func connect(fd int, to *address) error {
	_, _, err := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&to.inet6)), to.size)
	switch err {
	case 0, unix.EINPROGRESS, unix.EALREADY, unix.EINTR, unix.EISCONN:
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
func connectWithData(fd int, to *address, b []byte) (n int, err error) {
	sent, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
		unix.MSG_FASTOPEN|unix.MSG_NOSIGNAL, uintptr(unsafe.Pointer(&to.inet6)), to.size)
	switch errno {
	case 0:
		return int(sent), nil
	case unix.EINPROGRESS, unix.EALREADY:
		return 0, nil
	default:
		return 0, errno
	}
}

// Connected tells whether the handshake of a socket is over, and how it ended.
// The wake-up it is called after may be a spurious one.
func Connected(fd int) (done bool, err error) {
	errno, err := getInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return true, err
	}
	if errno != 0 {
		return true, syscall.Errno(errno)
	}
	var peer unix.RawSockaddrAny
	size := uint32(unix.SizeofSockaddrAny)
	_, _, failed := unix.RawSyscall(unix.SYS_GETPEERNAME, uintptr(fd), uintptr(unsafe.Pointer(&peer)), uintptr(unsafe.Pointer(&size)))
	switch failed {
	case 0:
		return true, nil
	case unix.ENOTCONN:
		return false, nil
	default:
		return true, failed
	}
}
