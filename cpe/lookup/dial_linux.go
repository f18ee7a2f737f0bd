package lookup

import (
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// dial returns a UDP socket that takes packets of server only. (net.DialUDP and
// net.DialUnix link how package net opens every kind of socket.)
func dial(server netip.AddrPort) (net.Conn, error) {
	family, to := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Addr: server.Addr().As16(), Port: int(server.Port())})
	if a := server.Addr().Unmap(); a.Is4() {
		family, to = unix.AF_INET, &unix.SockaddrInet4{Addr: a.As4(), Port: int(server.Port())}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	file := os.NewFile(uintptr(fd), server.String())
	defer file.Close() // net.FileConn duplicates it
	if err := unix.Connect(fd, to); err != nil {
		return nil, os.NewSyscallError("connect", err)
	}
	return net.FileConn(file)
}
