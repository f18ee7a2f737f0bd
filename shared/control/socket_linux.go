package control

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// dial and bind do what net.DialUnix and net.ListenUnix do, which link how
// package net opens every kind of socket: 60 kB of a router's program.

// dial connects to the socket at path.
func dial(path string) (net.Conn, error) {
	fd, file, err := open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() // net.FileConn duplicates it
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return nil, &os.PathError{Op: "connect", Path: path, Err: err}
	}
	return net.FileConn(file)
}

// bind makes the socket at path and listens on it. Closing the listener does
// not remove it.
func bind(path string) (*net.UnixListener, error) {
	fd, file, err := open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() // net.FileListener duplicates it
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return nil, &os.PathError{Op: "bind", Path: path, Err: err}
	}
	if err := unix.Listen(fd, unix.SOMAXCONN); err != nil {
		return nil, &os.PathError{Op: "listen", Path: path, Err: err}
	}
	l, err := net.FileListener(file)
	if err != nil {
		return nil, err
	}
	return l.(*net.UnixListener), nil
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
