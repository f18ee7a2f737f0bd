package mptcp

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"tandem/shared/nocmp"
)

// getsockopt reads an option into *v and returns how many bytes the kernel
// says it filled.
func getsockopt[T any](fd uintptr, level, option int, v *T) (int, error) {
	n := uint32(unsafe.Sizeof(*v))
	err := getsockoptBytes(fd, level, option, unsafe.Pointer(v), &n)
	return int(n), err
}

func getsockoptBytes(fd uintptr, level, option int, p unsafe.Pointer, n *uint32) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, fd, uintptr(level), uintptr(option),
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
	_             nocmp.Field
	name          string
	level, option int
	value         int
}

func setAll(fd int, options []setOption) error {
	for _, o := range options {
		if err := setInt(fd, o.level, o.option, o.value); err != nil {
			return fmt.Errorf("set %q: %w", o.name, err)
		}
	}
	return nil
}

// keepAlive are the options of [net.KeepAliveConfig] where it is enabled.
func keepAlive(c net.KeepAliveConfig) []setOption {
	return []setOption{
		{name: "SO_KEEPALIVE", level: unix.SOL_SOCKET, option: unix.SO_KEEPALIVE, value: 1},
		{name: "TCP_KEEPIDLE", level: unix.IPPROTO_TCP, option: unix.TCP_KEEPIDLE, value: int(c.Idle / time.Second)},
		{name: "TCP_KEEPINTVL", level: unix.IPPROTO_TCP, option: unix.TCP_KEEPINTVL, value: int(c.Interval / time.Second)},
		{name: "TCP_KEEPCNT", level: unix.IPPROTO_TCP, option: unix.TCP_KEEPCNT, value: c.Count},
	}
}

// sockname is getsockname(2).
func sockname(fd uintptr) (netip.AddrPort, error) {
	var sa unix.RawSockaddrAny
	size := uint32(unix.SizeofSockaddrAny)
	_, _, errno := unix.RawSyscall(unix.SYS_GETSOCKNAME, fd, uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size)))
	if errno != 0 {
		return netip.AddrPort{}, errno
	}
	return addrPortOf(&sa), nil
}

// addrPortOf reads what the kernel has filled in.
func addrPortOf(sa *unix.RawSockaddrAny) netip.AddrPort {
	port := func(p uint16) uint16 { b := (*[2]byte)(unsafe.Pointer(&p)); return uint16(b[0])<<8 | uint16(b[1]) }
	switch sa.Addr.Family {
	case unix.AF_INET:
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), port(in.Port))
	case unix.AF_INET6:
		in := (*unix.RawSockaddrInet6)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(plain(netip.AddrFrom16(in.Addr)), port(in.Port))
	}
	return netip.AddrPort{}
}

func bindToDevice(fd int, device string) error {
	if device == "" {
		return nil
	}
	if err := setString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, device); err != nil {
		return fmt.Errorf("bind to device %q: %w", device, err)
	}
	return nil
}

// openSocket opens a non-blocking stream socket. The errors of an MPTCP
// socket say what is missing.
func openSocket(family, protocol int) (int, error) {
	const kind = unix.SOCK_STREAM | unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC
	fd, _, err := unix.RawSyscall(unix.SYS_SOCKET, uintptr(family), kind, uintptr(protocol))
	if err == 0 {
		return int(fd), nil
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

// interfaceIndex is the number of a device. (net.InterfaceByName lists them all.)
func interfaceIndex(name string) (uint32, error) {
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return 0, err
	}
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	err = unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, ifr)
	return ifr.Uint32(), os.NewSyscallError("ioctl", err)
}
