package mptcp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Dialer opens MPTCP connections. The zero value is ready for use.
type Dialer struct {
	// Plain asks for plain TCP, with all else the same.
	Plain bool
	// Device carries the first subflow (SO_BINDTODEVICE). Further subflows
	// take the device of their endpoint.
	Device string
	// Source is the local address of the first subflow; the kernel chooses the
	// port when it knows the destination.
	Source netip.Addr
	// Mark is the firewall mark of every packet of every subflow (SO_MARK);
	// 0 leaves it alone.
	Mark uint32
	// SynData offers the first bytes in the SYN (TCP Fast Open, RFC 7413), and
	// without a cookie unless Cookie is set. If the peer does not take them, or
	// if this SYN or its answer gets lost, the kernel sends them again after the
	// handshake, but the connection is then plain TCP for its life (Linux 6.18,
	// counter MPTcpExtMPCapableDataFallback). After a lost answer SynDataAcked
	// still says yes: only IsMPTCP tells.
	SynData bool
	// Cookie makes SynData wait for a cookie: the first connection to a server
	// asks for one and carries no data in its SYN.
	Cookie bool
	// ReceiveBuffer is its size in bytes, fixed; 0: the kernel's choice, which
	// grows as needed but can lock up on kernels that let out-of-order data of
	// several subflows fill it.
	ReceiveBuffer int
	// KeepAlive is applied when connected; unless Enable is set there are no
	// keepalives at all.
	KeepAlive net.KeepAliveConfig
	// From is the local address with its port, in place of Source, and need not
	// be this host's (IP_TRANSPARENT, which takes CAP_NET_ADMIN).
	From netip.AddrPort
	// Control, if set, runs on the socket before it is bound and connected.
	Control func(fd int) error

	// Taken is set by Start where SynData is: how many of the first bytes the SYN
	// took, or the send buffer behind it.
	Taken int
}

// Dial connects to the given address, sends first in whole and returns the
// connection. It returns when the handshake succeeded or failed, so that
// ECONNREFUSED, ETIMEDOUT or EHOSTUNREACH reach the caller even if first left
// with the SYN. first may be nil. After an error nothing is left open; first
// may have reached the peer if it was offered in the SYN.
//
// EPROTONOSUPPORT means that the kernel lacks MPTCP, ENOPROTOOPT that
// net.mptcp.enabled is 0; no packet was sent then. When ctx ends, the error is
// that of ctx.
func (d *Dialer) Dial(ctx context.Context, to netip.AddrPort, first []byte) (*net.TCPConn, error) {
	conn, err := d.dial(ctx, to, first)
	if err != nil {
		return nil, d.Explain(to, err)
	}
	return conn, nil
}

// Explain says of an error what was to be connected.
func (d *Dialer) Explain(to netip.AddrPort, err error) error {
	if d.Plain {
		return fmt.Errorf("connection to %q: %w", to, err)
	}
	return fmt.Errorf("mptcp connection to %q: %w", to, err)
}

func (d *Dialer) dial(ctx context.Context, to netip.AddrPort, first []byte) (*net.TCPConn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	fd, sent, err := d.Start(to, first)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "mptcp")
	// net.FileConn duplicates the descriptor: the original is ours to close.
	defer file.Close()
	if err := within(ctx, file, func() error { return awaitConnected(file) }); err != nil {
		return nil, err
	}
	conn, err := d.wrap(file)
	if err != nil {
		return nil, err
	}
	if sent == len(first) {
		return conn, nil
	}
	err = within(ctx, conn, func() error {
		_, err := conn.Write(first[sent:])
		return err
	})
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// Start opens a socket that does not block and sends the SYN, with as much of
// first as it takes. [Connected] tells when it is connected.
func (d *Dialer) Start(to netip.AddrPort, first []byte) (fd, sent int, err error) {
	addr, err := sockaddr(to)
	if err != nil {
		return -1, 0, err
	}
	family := addr.family()
	synData := d.SynData && len(first) > 0
	fd, err = d.open(family, synData)
	if err != nil {
		return -1, 0, err
	}
	if synData {
		sent, err = connectWithData(fd, &addr, first)
		if errors.Is(err, unix.EOPNOTSUPP) {
			// Linux before 6.2, or the client bit of net.ipv4.tcp_fastopen is
			// off. The failed attempt may have left its traces: begin anew.
			unix.Close(fd)
			if fd, err = d.open(family, false); err != nil {
				return -1, 0, err
			}
			sent, err = 0, connect(fd, &addr)
		}
		d.Taken = sent
	} else {
		err = connect(fd, &addr)
	}
	if err != nil {
		unix.Close(fd)
		return -1, 0, err
	}
	return fd, sent, nil
}

// open returns a socket that has every option the SYN or the choice of route
// depends on, bound if a source was asked for.
func (d *Dialer) open(family int, synData bool) (int, error) {
	protocol := unix.IPPROTO_MPTCP
	if d.Plain {
		protocol = unix.IPPROTO_TCP
	}
	fd, err := openSocket(family, protocol)
	if err != nil {
		return -1, err
	}
	if err := d.prepare(fd, synData); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func (d *Dialer) prepare(fd int, synData bool) error {
	options := append(make([]setOption, 0, 8), setOption{name: "TCP_NODELAY", level: unix.IPPROTO_TCP, option: unix.TCP_NODELAY, value: 1})
	if d.KeepAlive.Enable {
		options = append(options, keepAlive(d.KeepAlive)...)
	}
	if d.Mark != 0 {
		options = append(options, setOption{name: "SO_MARK", level: unix.SOL_SOCKET, option: unix.SO_MARK, value: int(d.Mark)})
	}
	if err := setAll(fd, options); err != nil {
		return err
	}
	if err := setReceiveBuffer(fd, d.ReceiveBuffer); err != nil {
		return err
	}
	if err := bindToDevice(fd, d.Device); err != nil {
		return err
	}
	if synData && !d.Cookie {
		err := setInt(fd, unix.IPPROTO_TCP, unix.TCP_FASTOPEN_NO_COOKIE, 1)
		if err != nil && err != unix.EOPNOTSUPP && err != unix.ENOPROTOOPT { // those: before Linux 6.2
			return fmt.Errorf("set %q: %w", "TCP_FASTOPEN_NO_COOKIE", err)
		}
	}
	if d.Control != nil {
		if err := d.Control(fd); err != nil {
			return err
		}
	}
	return d.bind(fd)
}

func (d *Dialer) bind(fd int) error {
	from := d.From
	switch {
	case from.IsValid():
		level, option := unix.SOL_IP, unix.IP_TRANSPARENT
		if from.Addr().Is6() {
			level, option = unix.SOL_IPV6, unix.IPV6_TRANSPARENT
		}
		if err := setInt(fd, level, option, 1); err != nil {
			return fmt.Errorf("set %q: %w", "IP_TRANSPARENT", err)
		}
	case d.Source.IsValid():
		from = netip.AddrPortFrom(d.Source, 0)
	default:
		return nil
	}
	addr, err := sockaddr(from)
	if err != nil {
		return err
	}
	// Without this, bind takes a port for good and 28,000 connections exhaust
	// an address. No effect on MPTCP before Linux 6.8, maybe an error.
	_ = setInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	if err := bind(fd, &addr); err != nil {
		return fmt.Errorf("bind to %q: %w", from, os.NewSyscallError("bind", err))
	}
	return nil
}

// wrap makes the connected socket a *net.TCPConn.
func (d *Dialer) wrap(file *os.File) (*net.TCPConn, error) {
	c, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	conn := c.(*net.TCPConn)
	if conn.RemoteAddr() == nil { // reset since it was connected
		conn.Close()
		return nil, unix.ECONNRESET
	}
	// net.FileConn has set keepalives every 15 seconds.
	if d.KeepAlive.Enable {
		err = conn.SetKeepAliveConfig(d.KeepAlive)
	} else {
		err = conn.SetKeepAlive(false)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("set keepalive: %w", err)
	}
	return conn, nil
}

// within runs f, which waits for f's socket to become writable, and makes it
// return when ctx ends; the error is then that of ctx.
func within(ctx context.Context, c interface{ SetWriteDeadline(time.Time) error }, f func() error) error {
	stop := context.AfterFunc(ctx, func() { _ = c.SetWriteDeadline(time.Unix(1, 0)) })
	err := f()
	if !stop() { // the deadline was or is being set: the socket is of no use
		return ctx.Err()
	}
	return err
}

// awaitConnected waits for the end of the handshake.
func awaitConnected(c syscall.Conn) error {
	rc, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	err = rc.Write(func(fd uintptr) (done bool) {
		done, result = Connected(int(fd))
		return done
	})
	if err != nil {
		return err
	}
	return result
}
