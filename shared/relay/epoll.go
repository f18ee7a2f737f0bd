package relay

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// newEpoll makes an epoll instance that is itself waited for in the runtime's
// poller, to which it is a descriptor like others.
func newEpoll(name string) (fd int, file *os.File, waiter syscall.RawConn, err error) {
	if fd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return -1, nil, nil, err
	}
	if err = unix.SetNonblock(fd, true); err != nil { // else the poller would not take it
		unix.Close(fd)
		return -1, nil, nil, err
	}
	file = os.NewFile(uintptr(fd), name)
	if waiter, err = file.SyscallConn(); err != nil {
		file.Close()
		return -1, nil, nil, err
	}
	return fd, file, waiter, nil
}

// These calls do not wait, so the scheduler need not know of them.

func epollControl(epoll, operation, fd int, event *unix.EpollEvent) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(epoll), uintptr(operation), uintptr(fd), uintptr(unsafe.Pointer(event)), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// pollNow takes the events there are.
func pollNow(epoll int, events []unix.EpollEvent) (found int) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	if errno != 0 { // EINTR
		return 0
	}
	return int(n)
}
