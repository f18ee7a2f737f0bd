package mptcp

import (
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// ListenConfig opens TCP and MPTCP listeners.
type ListenConfig struct {
	// MPTCP asks for an MPTCP socket; there is no fall-back to TCP. Peers that
	// do not ask for MPTCP are accepted as plain TCP.
	MPTCP bool
	// Mark is inherited by accepted connections (SO_MARK); 0 leaves it alone.
	Mark uint32
	// FastOpen is the number of connections that may have sent data in the SYN
	// and not finished the handshake; 0 takes no data in the SYN. It needs
	// the server bit (2) in net.ipv4.tcp_fastopen, and Linux 6.2 with MPTCP.
	FastOpen int
	// NoCookie takes SYN data from everyone: only for protocols in which the
	// data authenticates itself, or a SYN delivered twice does no harm.
	NoCookie bool
	// Transparent accepts connections to any address that routing or TPROXY
	// delivers here; needs CAP_NET_ADMIN. The local address of an accepted
	// connection is the destination the peer asked for.
	Transparent bool
	// ReusePort shares the port with other listeners of the same user.
	ReusePort bool
	// Backlog is the number of connections waiting to be accepted, which the
	// kernel bounds by net.core.somaxconn; 0 means 4096.
	Backlog int
	// ReceiveBuffer is that of accepted connections in bytes, fixed; 0: the
	// kernel's choice. See [Dialer].
	ReceiveBuffer int
	// Device restricts to connections that arrive on it.
	Device string
	// KeepAlive is that of accepted connections; unless Enable is set they have
	// none.
	KeepAlive net.KeepAliveConfig
	// V6Only keeps IPv4 out of an IPv6 listener.
	V6Only bool
}

// Listen opens a listener; port 0 lets the kernel choose one.
//
// Accepted connections have TCP_NODELAY. Those that package net accepts have its
// keepalives, every 15 seconds (Go 1.26: a listener from net.FileListener cannot
// be told otherwise); those of an [Acceptor] have KeepAlive.
func (lc *ListenConfig) Listen(addr netip.AddrPort) (*net.TCPListener, error) {
	l, err := lc.listen(addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: %w", addr, err)
	}
	return l, nil
}

func (lc *ListenConfig) listen(addr netip.AddrPort) (*net.TCPListener, error) {
	file, err := lc.open(addr)
	if err != nil {
		return nil, err
	}
	defer file.Close() // net.FileListener duplicates it
	l, err := net.FileListener(file)
	if err != nil {
		return nil, err
	}
	return l.(*net.TCPListener), nil
}

// Accept opens a listener whose connections come as bare descriptors.
func (lc *ListenConfig) Accept(addr netip.AddrPort) (*Acceptor, error) {
	file, err := lc.open(addr)
	if err == nil {
		var a *Acceptor
		if a, err = acceptorOf(file); err == nil {
			return a, nil
		}
	}
	return nil, fmt.Errorf("listen on %q: %w", addr, err)
}

// open returns a listening socket.
func (lc *ListenConfig) open(addr netip.AddrPort) (*os.File, error) {
	sa, err := sockaddr(addr)
	if err != nil {
		return nil, err
	}
	protocol := unix.IPPROTO_TCP
	if lc.MPTCP {
		protocol = unix.IPPROTO_MPTCP
	}
	fd, err := openSocket(sa.family(), protocol)
	if err != nil {
		return nil, err
	}
	if err := lc.bind(fd, &sa); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "listener"), nil
}

func (lc *ListenConfig) bind(fd int, sa *address) error {
	if err := setAll(fd, lc.options(sa.family())); err != nil {
		return err
	}
	if err := setReceiveBuffer(fd, lc.ReceiveBuffer); err != nil {
		return err
	}
	if err := bindToDevice(fd, lc.Device); err != nil {
		return err
	}
	if err := bind(fd, sa); err != nil {
		return os.NewSyscallError("bind", err)
	}
	backlog := lc.Backlog
	if backlog == 0 {
		backlog = 4096
	}
	return os.NewSyscallError("listen", unix.Listen(fd, backlog))
}

func (lc *ListenConfig) options(family int) []setOption {
	options := []setOption{{name: "SO_REUSEADDR", level: unix.SOL_SOCKET, option: unix.SO_REUSEADDR, value: 1}}
	add := func(name string, level, option, value int) {
		options = append(options, setOption{name: name, level: level, option: option, value: value})
	}
	if lc.ReusePort {
		add("SO_REUSEPORT", unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	}
	if family == unix.AF_INET6 {
		add("IPV6_V6ONLY", unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, intOf(lc.V6Only))
	}
	switch {
	case lc.Transparent && family == unix.AF_INET6: // covers IPv4 on a dual-stack socket
		add("IPV6_TRANSPARENT", unix.IPPROTO_IPV6, unix.IPV6_TRANSPARENT, 1)
	case lc.Transparent:
		add("IP_TRANSPARENT", unix.IPPROTO_IP, unix.IP_TRANSPARENT, 1)
	}
	return append(options, lc.settableLater()...)
}

func intOf(b bool) int {
	if b {
		return 1
	}
	return 0
}
