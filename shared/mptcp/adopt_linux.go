package mptcp

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// Adopt makes a listener of a socket that somebody else has bound and put to
// listen, such as systemd, and sets what lc says of FastOpen, NoCookie,
// ReceiveBuffer and Mark. It refuses a socket that does not listen, and with
// lc.MPTCP one that is no MPTCP socket. file is duplicated: close it.
func (lc *ListenConfig) Adopt(file *os.File) (*net.TCPListener, error) {
	l, err := lc.adopt(file)
	if err != nil {
		return nil, fmt.Errorf("inherited socket %q: %w", file.Name(), err)
	}
	return l, nil
}

func (lc *ListenConfig) adopt(file *os.File) (*net.TCPListener, error) {
	fd := int(file.Fd()) // makes it blocking; net.FileListener undoes that
	listens, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return nil, os.NewSyscallError("SO_ACCEPTCONN", err)
	}
	if listens == 0 {
		return nil, errors.New("does not listen")
	}
	protocol, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	if err != nil {
		return nil, os.NewSyscallError("SO_PROTOCOL", err)
	}
	if lc.MPTCP && protocol != unix.IPPROTO_MPTCP {
		return nil, errors.New(`is no MPTCP socket (a systemd socket unit needs "SocketProtocol=mptcp")`)
	}
	// What the other side has set already may need a privilege we lack.
	rest := *lc
	if now, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK); err == nil && uint32(now) == lc.Mark {
		rest.Mark = 0
	}
	if now, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF); err == nil && now >= 2*lc.ReceiveBuffer {
		rest.ReceiveBuffer = 0
	}
	if err := setAll(fd, rest.settableLater()); err != nil {
		return nil, err
	}
	if err := setReceiveBuffer(fd, rest.ReceiveBuffer); err != nil {
		return nil, err
	}
	l, err := net.FileListener(file)
	if err != nil {
		return nil, err
	}
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		l.Close()
		return nil, fmt.Errorf("listens on %q, which is no TCP address", l.Addr())
	}
	return tcp, nil
}

// settableLater are the options that a listening socket still takes.
func (lc *ListenConfig) settableLater() (options []setOption) {
	// Linux hands these down to accepted sockets, MPTCP or not.
	options = append(options, setOption{name: "TCP_NODELAY", level: unix.IPPROTO_TCP, option: unix.TCP_NODELAY, value: 1})
	if lc.KeepAlive.Enable {
		options = append(options, keepAlive(lc.KeepAlive)...)
	}
	if lc.Mark != 0 {
		options = append(options, setOption{name: "SO_MARK", level: unix.SOL_SOCKET, option: unix.SO_MARK, value: int(lc.Mark)})
	}
	if lc.FastOpen > 0 {
		options = append(options, setOption{name: "TCP_FASTOPEN", level: unix.IPPROTO_TCP, option: unix.TCP_FASTOPEN, value: lc.FastOpen})
		if lc.NoCookie {
			options = append(options, setOption{name: "TCP_FASTOPEN_NO_COOKIE", level: unix.IPPROTO_TCP, option: unix.TCP_FASTOPEN_NO_COOKIE, value: 1})
		}
	}
	return options
}
