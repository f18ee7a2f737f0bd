package control

import (
	"os"

	"golang.org/x/sys/unix"
)

// Sockets are files here. Those of package net would link what it knows of every
// other kind of socket: 0.1 MB of a router's program.

// dial connects to the socket at path.
func dial(path string) (*os.File, error) {
	fd, file, err := open(path)
	if err != nil {
		return nil, err
	}
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		file.Close()
		return nil, &os.PathError{Op: "connect", Path: path, Err: err}
	}
	return file, nil
}

// bind makes the socket at path and listens on it. Closing the listener does
// not remove it.
func bind(path string) (*os.File, error) {
	fd, file, err := open(path)
	if err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		file.Close()
		return nil, &os.PathError{Op: "bind", Path: path, Err: err}
	}
	if err := unix.Listen(fd, unix.SOMAXCONN); err != nil {
		file.Close()
		return nil, &os.PathError{Op: "listen", Path: path, Err: err}
	}
	return file, nil
}

// accept waits for a client. It returns when the listener is closed, too.
func accept(listener *os.File) (*os.File, error) {
	raw, err := listener.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd, failed := -1, error(nil)
	err = raw.Read(func(l uintptr) bool {
		fd, _, failed = unix.Accept4(int(l), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		return failed != unix.EAGAIN
	})
	if err != nil {
		return nil, err
	}
	if failed != nil {
		return nil, os.NewSyscallError("accept4", failed)
	}
	return os.NewFile(uintptr(fd), listener.Name()), nil
}

// open returns a socket that does not block, as a descriptor and as the file
// that owns it.
func open(name string) (int, *os.File, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, nil, os.NewSyscallError("socket", err)
	}
	return fd, os.NewFile(uintptr(fd), name), nil
}
