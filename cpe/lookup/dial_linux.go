package lookup

import (
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// dial returns a UDP socket that takes packets of server only. It is a file: those
// of package net would link what it knows of every other kind of socket.
func dial(server netip.AddrPort) (*os.File, error) {
	family, to := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Addr: server.Addr().As16(), Port: int(server.Port())})
	if a := server.Addr().Unmap(); a.Is4() {
		family, to = unix.AF_INET, &unix.SockaddrInet4{Addr: a.As4(), Port: int(server.Port())}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	file := os.NewFile(uintptr(fd), server.String())
	if err := unix.Connect(fd, to); err != nil {
		file.Close()
		return nil, os.NewSyscallError("connect", err)
	}
	return file, nil
}
