package mptcp

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// getsockopt reads an option into *v and returns how many bytes the kernel
// says it filled.
func getsockopt[T any](fd uintptr, level, option int, v *T) (int, error) {
	n := uint32(unsafe.Sizeof(*v))
	err := getsockoptBytes(fd, level, option, unsafe.Pointer(v), &n)
	return int(n), err
}

func getsockoptBytes(fd uintptr, level, option int, p unsafe.Pointer, n *uint32) error {
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, uintptr(level), uintptr(option),
		uintptr(p), uintptr(unsafe.Pointer(n)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// control runs f on the descriptor behind c.
func control(c syscall.Conn, f func(fd uintptr) error) error {
	rc, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var ferr error
	if err := rc.Control(func(fd uintptr) { ferr = f(fd) }); err != nil {
		return err
	}
	return ferr
}

// setOption is one socket option to be set, with its name for the error.
type setOption struct {
	name          string
	level, option int
	value         int
}

func setAll(fd int, options []setOption) error {
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.option, o.value); err != nil {
			return fmt.Errorf("set %q: %w", o.name, err)
		}
	}
	return nil
}

func bindToDevice(fd int, device string) error {
	if device == "" {
		return nil
	}
	if err := unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, device); err != nil {
		return fmt.Errorf("bind to device %q: %w", device, err)
	}
	return nil
}

// openSocket opens a non-blocking stream socket. The errors of an MPTCP
// socket say what is missing.
func openSocket(family, protocol int) (int, error) {
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
	if err == nil {
		return fd, nil
	}
	if protocol == unix.IPPROTO_MPTCP {
		switch err {
		case unix.EPROTONOSUPPORT, unix.EINVAL: // EINVAL: before Linux 5.6
			return -1, fmt.Errorf("open mptcp socket: kernel without MPTCP: %w", err)
		case unix.ENOPROTOOPT:
			return -1, fmt.Errorf("open mptcp socket: net.mptcp.enabled is 0: %w", err)
		}
		return -1, fmt.Errorf("open mptcp socket: %w", err)
	}
	return -1, os.NewSyscallError("socket", err)
}

// sockaddr returns a in the form the system calls want, and its family.
func sockaddr(a netip.AddrPort) (unix.Sockaddr, int, error) {
	addr := a.Addr().Unmap()
	switch {
	case addr.Is4():
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: addr.As4()}, unix.AF_INET, nil
	case addr.Is6():
		sa := &unix.SockaddrInet6{Port: int(a.Port()), Addr: addr.As16()}
		if zone := addr.Zone(); zone != "" {
			ifi, err := net.InterfaceByName(zone)
			if err != nil {
				return nil, 0, fmt.Errorf("zone %q: %w", zone, err)
			}
			sa.ZoneId = uint32(ifi.Index)
		}
		return sa, unix.AF_INET6, nil
	}
	return nil, 0, fmt.Errorf("address %q is not valid", a)
}
