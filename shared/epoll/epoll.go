// Package epoll is epoll(7) for those who keep more sockets than the runtime's
// poller should know of.
package epoll

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// New makes an epoll instance that is itself waited for in the runtime's poller,
// to which it is a descriptor like others, so that waiting costs no thread.
func New(name string) (fd int, file *os.File, waiter syscall.RawConn, err error) {
	if fd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return -1, nil, nil, os.NewSyscallError("epoll_create1", err)
	}
	if err = unix.SetNonblock(fd, true); err != nil { // else the poller would not take it
		unix.Close(fd)
		return -1, nil, nil, os.NewSyscallError("fcntl", err)
	}
	file = os.NewFile(uintptr(fd), name)
	if waiter, err = file.SyscallConn(); err != nil {
		file.Close()
		return -1, nil, nil, err
	}
	return fd, file, waiter, nil
}

// The next two do not wait, so the scheduler need not know of them.

// Control is epoll_ctl(2).
func Control(epoll, operation, fd int, event *unix.EpollEvent) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(epoll), uintptr(operation), uintptr(fd), uintptr(unsafe.Pointer(event)), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// Poll takes the events there are. It fails with EINTR, too.
func Poll(epoll int, events []unix.EpollEvent) (found int, err error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
