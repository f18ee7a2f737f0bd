package servers

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// Many echoes, for as many connections as there are descriptors: they need no
// memory here but the kernel's. It ends with an error or with the process.
func Many(l *net.TCPListener) error {
	file, err := l.File()
	if err != nil {
		return err
	}
	defer file.Close()
	listener := int(file.Fd())
	if err := unix.SetNonblock(listener, true); err != nil {
		return err
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(epoll)
	watch := func(fd int) error {
		return unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
	}
	if err := watch(listener); err != nil {
		return err
	}
	events := make([]unix.EpollEvent, 256)
	for {
		n, err := unix.EpollWait(epoll, events, -1)
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("epoll_wait: %w", err)
		}
		for _, e := range events[:max(n, 0)] {
			if int(e.Fd) != listener {
				echo(int(e.Fd))
				continue
			}
			for {
				fd, _, err := unix.Accept4(listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
				if err != nil {
					break
				}
				if err := watch(fd); err != nil {
					unix.Close(fd)
				}
			}
		}
	}
}

// echo sends back what is there; what does not fit is lost, so it is for few
// bytes at a time.
func echo(fd int) {
	var b [4096]byte
	n, err := unix.Read(fd, b[:])
	switch {
	case n > 0:
		_, err = unix.Write(fd, b[:n])
	case err == nil:
		err = unix.ECONNRESET // the end
	}
	if err != nil && err != unix.EAGAIN {
		unix.Close(fd)
	}
}
