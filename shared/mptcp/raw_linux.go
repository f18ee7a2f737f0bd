package mptcp

import (
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls of a connection do not wait, so the scheduler is not told of them.
// Of one that it knows of its watchdog would take the processor away after 20 µs,
// less than a SYN with data takes, and the thread would wait for another after it.

func setsockopt(fd, level, option int, p unsafe.Pointer, size uintptr) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option), uintptr(p), size, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// SetInt is setsockopt(2) with an int.
func SetInt(fd, level, option, value int) error { return setInt(fd, level, option, value) }

func setInt(fd, level, option, value int) error {
	v := int32(value)
	return setsockopt(fd, level, option, unsafe.Pointer(&v), unsafe.Sizeof(v))
}

func setString(fd, level, option int, s string) error {
	return setsockopt(fd, level, option, unsafe.Pointer(unsafe.StringData(s)), uintptr(len(s)))
}

func getInt(fd, level, option int) (int, error) {
	var v int32
	_, err := getsockopt(uintptr(fd), level, option, &v)
	return int(v), err
}

// SetCongestion chooses what a socket's sender goes by; ENOENT: the kernel does
// not have that.
func SetCongestion(fd int, name string) error {
	return setString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, name)
}

// address is a socket address as system calls want it.
type address struct {
	inet6 unix.RawSockaddrInet6 // or a RawSockaddrInet4 in its place
	size  uintptr
}

func (a *address) family() int { return int(a.inet6.Family) }

// sockaddr returns a in that form.
func sockaddr(a netip.AddrPort) (address, error) {
	var to address
	port := func(p *uint16) { b := (*[2]byte)(unsafe.Pointer(p)); b[0], b[1] = byte(a.Port()>>8), byte(a.Port()) }
	addr := a.Addr().Unmap()
	switch {
	case addr.Is4():
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(&to.inet6))
		in.Family, in.Addr, to.size = unix.AF_INET, addr.As4(), unix.SizeofSockaddrInet4
		port(&in.Port)
	case addr.Is6():
		to.inet6.Family, to.inet6.Addr, to.size = unix.AF_INET6, addr.As16(), unix.SizeofSockaddrInet6
		port(&to.inet6.Port)
		if zone := addr.Zone(); zone != "" {
			index, err := interfaceIndex(zone)
			if err != nil {
				return to, fmt.Errorf("zone %q: %w", zone, err)
			}
			to.inet6.Scope_id = index
		}
	default:
		return to, fmt.Errorf("address %q is not valid", a)
	}
	return to, nil
}

func bind(fd int, to *address) error {
	if _, _, errno := unix.RawSyscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&to.inet6)), to.size); errno != 0 {
		return errno
	}
	return nil
}

// HasBytes tells whether bytes wait to be read on a connection of which neither the
// end nor an error is known. Unlike a look at them it takes no error out of the
// socket. (SIOCINQ says 1 of one that has failed.)
func HasBytes(fd int) bool {
	look := unix.PollFd{Fd: int32(fd), Events: unix.POLLIN | unix.POLLRDHUP}
	poll(&look)
	return look.Revents == unix.POLLIN
}

// poll asks without waiting.
func poll(look *unix.PollFd) {
	var now [2]uint64 // the time to wait, however wide the kernel's is
	_, _, _ = unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(look)), 1, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
}
