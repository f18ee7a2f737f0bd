package mptcp

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Info is the state of one MPTCP connection (struct mptcp_info). Values that
// the kernel does not know are 0.
type Info struct {
	Token         uint32 // names the connection to the path manager, local side
	ExtraSubflows int    // beyond the first one, which is not looked at
	TotalSubflows int    // including the first one if it is alive; Linux 6.8, before: ExtraSubflows + 1

	// Fallback is set on a connection that is MPTCP no more, or never was. A
	// connection that fell back in the handshake gives ErrNotMPTCP instead.
	Fallback          bool
	RemoteKeyReceived bool
	Checksum          bool

	AddAddrSignalled int // addresses announced to the peer
	AddAddrAccepted  int // addresses the peer announced and that were taken
	SubflowsMax      int // limit on ExtraSubflows in force

	WriteSeq, SendUnacked, ReceiveNext uint64 // MPTCP sequence numbers

	// Payload bytes of the MPTCP stream; Linux 6.5.
	BytesSent, BytesAcked, BytesReceived, BytesRetransmitted uint64
	Retransmits                                              uint32

	// Time since; Linux 6.10.
	LastDataSent, LastDataReceived, LastAckReceived time.Duration
}

// ErrNotMPTCP is returned for a connection that is plain TCP: the peer or the
// path does not speak MPTCP, or did not take the data in the SYN.
var ErrNotMPTCP = errors.New("connection is not MPTCP")

// Inspect returns the state of a connection, or ErrNotMPTCP.
func Inspect(c syscall.Conn) (Info, error) {
	var raw rawInfo
	err := control(c, func(fd uintptr) error {
		n, err := getsockopt(fd, unix.SOL_MPTCP, optInfo, &raw)
		if err != nil {
			return mptcpError("MPTCP_INFO", err)
		}
		if n < infoSize516 {
			return fmt.Errorf("MPTCP_INFO: %d bytes, want %d", n, infoSize516)
		}
		return nil
	})
	if err != nil {
		return Info{}, err
	}
	return infoOf(&raw), nil
}

func infoOf(raw *rawInfo) Info {
	ms := func(v uint32) time.Duration { return time.Duration(v) * time.Millisecond }
	info := Info{
		Token:              raw.token,
		ExtraSubflows:      int(raw.subflows),
		TotalSubflows:      int(raw.subflowsTotal),
		Fallback:           raw.flags&infoFlagFallback != 0,
		RemoteKeyReceived:  raw.flags&infoFlagRemoteKey != 0,
		Checksum:           raw.csumEnabled != 0,
		AddAddrSignalled:   int(raw.addAddrSignal),
		AddAddrAccepted:    int(raw.addAddrAccepted),
		SubflowsMax:        int(raw.subflowsMax),
		WriteSeq:           raw.writeSeq,
		SendUnacked:        raw.sndUna,
		ReceiveNext:        raw.rcvNxt,
		BytesSent:          raw.bytesSent,
		BytesAcked:         raw.bytesAcked,
		BytesReceived:      raw.bytesReceived,
		BytesRetransmitted: raw.bytesRetrans,
		Retransmits:        raw.retransmits,
		LastDataSent:       ms(raw.lastDataSent),
		LastDataReceived:   ms(raw.lastDataRecv),
		LastAckReceived:    ms(raw.lastAckRecv),
	}
	if info.TotalSubflows == 0 {
		info.TotalSubflows = info.ExtraSubflows + 1
	}
	return info
}

// IsMPTCP tells whether a connection is MPTCP now: asked for, granted, and not
// fallen back to TCP since. It needs Linux 5.16.
func IsMPTCP(c syscall.Conn) (bool, error) {
	info, err := Inspect(c)
	if errors.Is(err, ErrNotMPTCP) {
		return false, nil
	}
	return err == nil && !info.Fallback, err
}

// AllThere tells whether the peer has ended its direction, all of which is here,
// and has acknowledged all of ours. Then the connection needs no subflow.
func AllThere(c syscall.Conn) (there bool, err error) {
	info, err := Inspect(c)
	if err != nil || info.SendUnacked != info.WriteSeq {
		return false, err
	}
	err = control(c, func(fd uintptr) error {
		look := unix.PollFd{Fd: int32(fd), Events: unix.POLLRDHUP}
		poll(&look)
		there = look.Revents&unix.POLLRDHUP != 0
		return nil
	})
	return there, err
}

// SynDataAcked tells whether data travelled in the SYN and was taken: on the
// connecting side acknowledged by the SYN-ACK, on the accepting side read from
// the SYN. It looks at the first subflow, so ask while that is alive.
func SynDataAcked(c syscall.Conn) (bool, error) {
	info, err := firstSubflow(c)
	return err == nil && info.inSYN(), err
}

// Handshake is [SynDataAcked] and, of a connection whose SYN had data, whether it is
// not yet [Established], by one look.
func Handshake(c syscall.Conn) (inSYN, halfOpen bool, err error) {
	info, err := firstSubflow(c)
	if err != nil || !info.inSYN() {
		return false, false, err
	}
	complete, err := info.established(c)
	return true, !complete, err
}

// Opening is how a connection has begun that offered data in its SYN.
type Opening struct {
	MPTCP        bool          // as IsMPTCP tells
	SynDataAcked bool          // as SynDataAcked tells
	RTT          time.Duration // the least so far, of the handshake or after; 0: unknown
}

// Opened tells how a connection has begun, where the kernel can do so (Linux 6.5)
// in one system call.
func Opened(c syscall.Conn) (o Opening, err error) {
	space := spaces.Get().(*space)
	defer spaces.Put(space)
	tcp := &space.tcp[0]
	full := rawFullInfo{sizeTCPInfoUser: uint32(unsafe.Sizeof(*tcp)), sizeArraysUser: 1}
	err = control(c, func(fd uintptr) error {
		var pin runtime.Pinner
		defer pin.Unpin()
		pin.Pin(tcp)
		full.tcpInfo = uint64(uintptr(unsafe.Pointer(tcp)))
		_, err := getsockopt(fd, unix.SOL_MPTCP, optFullInfo, &full)
		return err
	})
	if err == nil && full.numSubflows > 0 {
		return Opening{full.info.flags&infoFlagFallback == 0, tcp.Options&tcpOptSynData != 0, subflowOf(tcp).MinRTT}, nil
	}
	if o.MPTCP, err = IsMPTCP(c); err != nil { // plain TCP, or an older kernel
		return o, err
	}
	err = control(c, func(fd uintptr) error {
		_, err := getsockopt(fd, unix.IPPROTO_TCP, unix.TCP_INFO, tcp)
		return err
	})
	if err == nil {
		o.SynDataAcked, o.RTT = tcp.Options&tcpOptSynData != 0, subflowOf(tcp).MinRTT
	}
	return o, err
}

// outset is what struct tcp_info begins with, of which nothing more is wanted of a
// connection that begins.
type outset struct{ state, _, _, _, _, options uint8 }

func (o outset) inSYN() bool { return o.options&tcpOptSynData != 0 }

// firstSubflow returns the beginning of TCP_INFO, which on an MPTCP socket is that
// of the first subflow.
func firstSubflow(c syscall.Conn) (info outset, err error) {
	err = control(c, func(fd uintptr) error {
		if _, err := getsockopt(fd, unix.IPPROTO_TCP, unix.TCP_INFO, &info); err != nil {
			return fmt.Errorf("TCP_INFO: %w", err)
		}
		return nil
	})
	return info, err
}

// mptcpError translates what TCP sockets, and MPTCP sockets that fell back,
// answer to options of level SOL_MPTCP: ENOPROTOOPT with IPv4, EOPNOTSUPP with
// IPv6 or the other way round, depending on the kernel.
func mptcpError(option string, err error) error {
	if err == unix.EOPNOTSUPP || err == unix.ENOPROTOOPT {
		return ErrNotMPTCP
	}
	return fmt.Errorf("%s: %w", option, err)
}

// LocalAddr returns the local end of a connection, of its first subflow where it
// has several.
func LocalAddr(c syscall.Conn) (local netip.AddrPort, err error) {
	err = control(c, func(fd uintptr) error {
		var err error
		local, err = sockname(fd)
		return err
	})
	return local, err
}
