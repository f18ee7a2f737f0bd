package intercept

import (
	"encoding/binary"
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"tandem/cpe/policy"
)

// SaveSYN makes the kernel keep, or not, the first packet of each connection
// that a listener takes, for ReadSYN. It costs about 100 bytes until then.
func SaveSYN(l syscall.Conn, on bool) error {
	const withLinkHeader = 2 // tcp(7); Linux 5.11
	how := 0
	if on {
		how = withLinkHeader
	}
	raw, err := l.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_SAVE_SYN, how)
	}); err != nil {
		return err
	}
	return failed
}

// ReadSYN returns what the first packet of a connection tells, once; nil if it
// was not kept.
func ReadSYN(lan syscall.Conn) *policy.SYN {
	raw, err := lan.SyscallConn()
	if err != nil {
		return nil
	}
	var packet [maxHeaders]byte
	size := uint32(len(packet))
	var failed unix.Errno
	if err := raw.Control(func(fd uintptr) {
		// Not unix.GetsockoptString, which ends at a zero byte.
		_, _, failed = unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.IPPROTO_TCP, unix.TCP_SAVED_SYN,
			uintptr(unsafe.Pointer(&packet)), uintptr(unsafe.Pointer(&size)), 0)
	}); err != nil || failed != 0 {
		return nil
	}
	return parseSYN(packet[:size])
}

// HeldSYN is ReadSYN for a packet that is not let in yet: its first bytes from the
// network header on, and its sender's link-layer address.
func HeldSYN(packet, mac []byte) *policy.SYN {
	syn := parseSYN(packet)
	if syn != nil && len(mac) == 6 {
		syn.MAC = mac
	}
	return syn
}

// Header lengths and Ethernet types.
const (
	ethernetLen = 14 // without a VLAN tag, which the kernel takes off
	etherIPv4   = 0x0800
	etherIPv6   = 0x86dd
	minIPv4     = 20
	minIPv6     = 40
	maxHeaders  = 512 // with IPv6 extension headers; of more nothing is known
)

// parseSYN reads headers of a packet, with an Ethernet one or, as from a tunnel,
// none.
func parseSYN(p []byte) *policy.SYN {
	syn := new(policy.SYN)
	if len(p) >= ethernetLen+minIPv4 {
		typ, version := binary.BigEndian.Uint16(p[12:]), p[ethernetLen]>>4
		if typ == etherIPv4 && version == 4 || typ == etherIPv6 && version == 6 {
			syn.MAC, p = net.HardwareAddr(p[6:12]), p[ethernetLen:]
		}
	}
	switch {
	case len(p) >= minIPv4 && p[0]>>4 == 4:
		syn.DSCP = p[1] >> 2 // RFC 2474
	case len(p) >= minIPv6 && p[0]>>4 == 6:
		syn.DSCP = uint8(binary.BigEndian.Uint16(p) >> 6 & 0x3f)
	default:
		return nil
	}
	return syn
}
