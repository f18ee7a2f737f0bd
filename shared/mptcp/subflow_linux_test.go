package mptcp

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Kernels whose structures are shorter than those here put the elements of their
// arrays closer together: 32-bit ones those with the addresses, and those before
// Linux 6.7 struct tcp_info.
func TestLayoutOfSubflows(t *testing.T) {
	for _, tt := range []struct {
		name       string
		tcp, addrs uint32 // sizes in the kernel
		at         int
	}{
		{"as here", uint32(unsafe.Sizeof(unix.TCPInfo{})), 264, 8},
		{"64 bits, Linux 6.6", 240, 264, 8},
		{"32 bits", uint32(unsafe.Sizeof(unix.TCPInfo{})), 260, 4},
		{"32 bits, Linux 6.6", 240, 260, 4},
		{"newer", 1000, 264, 8},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tcp, addrs := make([]unix.TCPInfo, 4), make([]rawSubflowInfo, 4)
			l := layout{tcp: bytesOf(tcp), tcpSize: apart(tt.tcp, unsafe.Sizeof(tcp[0])),
				addrs: bytesOf(addrs), addrsSize: apart(tt.addrs, unsafe.Sizeof(addrs[0])), id: true, at: addrsOffset(tt.addrs)}
			if l.at != tt.at {
				t.Errorf("addresses at %d, want %d", l.at, tt.at)
			}
			for i := range 3 { // as the kernel writes them
				info := [1]unix.TCPInfo{{State: 1, Rtt: uint32(1000 * (i + 1))}}
				copy(l.tcp[i*l.tcpSize:(i+1)*l.tcpSize], bytesOf(info[:]))
				e := l.addrs[i*l.addrsSize : (i+1)*l.addrsSize]
				binary.NativeEndian.PutUint32(e, uint32(i+1))
				for j, b := range [][]byte{e[l.at:], e[l.at+128:]} {
					binary.NativeEndian.PutUint16(b, unix.AF_INET)
					binary.BigEndian.PutUint16(b[2:], uint16(1000*j+i))
					copy(b[4:], []byte{192, 0, 2, byte(i)})
				}
			}
			for i, s := range l.subflows(3) {
				ip := netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
				if s.ID != uint32(i+1) || s.State != StateEstablished || s.RTT.Milliseconds() != int64(i+1) ||
					s.Local != netip.AddrPortFrom(ip, uint16(i)) || s.Remote != netip.AddrPortFrom(ip, uint16(1000+i)) {
					t.Errorf("subflow %d: %+v", i, s)
				}
			}
		})
	}
}
