package mptcp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"tandem/shared/nocmp"
)

// Subflow is one of the TCP connections that make up an MPTCP connection.
//
// Whether it is a backup is not to be had from the socket. What the peer asked
// for comes with EventSubflowEstablished and EventSubflowPriority.
type Subflow struct {
	_ nocmp.Field
	// ID numbers the subflows of a connection in order of their creation, from
	// 1 on; a number is not used again. 0: kernel before Linux 6.5.
	ID            uint32
	Local, Remote netip.AddrPort
	State         State

	RTT, RTTVar, MinRTT time.Duration // smoothed, its variation, minimum
	ReceiveRTT          time.Duration // as seen from what is received; 0: nothing was

	BytesSent, BytesAcked, BytesReceived, BytesRetransmitted uint64

	Retransmits   uint32 // segments retransmitted since the start
	Unacked, Lost uint32 // segments in flight, and those thought lost
	NotSent       uint32 // bytes that wait to be sent for the first time
	Cwnd          uint32 // congestion window, segments
	MSS           uint32 // bytes
	DeliveryRate  uint64 // bytes a second, as last measured
}

// Subflows returns the subflows of a connection, or ErrNotMPTCP. The order is
// that of the kernel.
func Subflows(c syscall.Conn) (subflows []Subflow, err error) {
	err = control(c, func(fd uintptr) error {
		subflows, err = fullInfo(fd)
		if err == unix.EOPNOTSUPP || err == unix.ENOPROTOOPT {
			subflows, err = separateInfo(fd)
		}
		return err
	})
	return subflows, err
}

// maxSubflows is more than kernels allow: Linux 6.18 has 8 + 1.
const maxSubflows = 72

// firstGuess is enough for nearly all connections.
const firstGuess = 4

// space is what the kernel fills in.
type space struct {
	addrs [firstGuess]rawSubflowInfo
	tcp   [firstGuess]unix.TCPInfo
}

var spaces = sync.Pool{New: func() any { return new(space) }}

// fullInfo reads addresses and counters in one system call.
func fullInfo(fd uintptr) ([]Subflow, error) {
	for room := firstGuess; ; room = maxSubflows {
		var addrs []rawSubflowInfo
		var tcp []unix.TCPInfo
		if room == firstGuess {
			space := spaces.Get().(*space)
			defer spaces.Put(space)
			addrs, tcp = space.addrs[:], space.tcp[:]
		} else {
			addrs, tcp = make([]rawSubflowInfo, room), make([]unix.TCPInfo, room)
		}
		var pin runtime.Pinner // the kernel gets their addresses as numbers
		pin.Pin(&addrs[0])
		pin.Pin(&tcp[0])
		full := rawFullInfo{
			sizeTCPInfoUser: uint32(unsafe.Sizeof(tcp[0])),
			sizeSfInfoUser:  uint32(unsafe.Sizeof(addrs[0])),
			sizeArraysUser:  uint32(room),
			subflowInfo:     uint64(uintptr(unsafe.Pointer(&addrs[0]))),
			tcpInfo:         uint64(uintptr(unsafe.Pointer(&tcp[0]))),
		}
		_, err := getsockopt(fd, unix.SOL_MPTCP, optFullInfo, &full)
		pin.Unpin()
		if err != nil {
			return nil, err
		}
		if int(full.numSubflows) > room && room < maxSubflows {
			continue
		}
		return layout{
			tcp: bytesOf(tcp), tcpSize: apart(full.sizeTCPInfoKernel, unsafe.Sizeof(tcp[0])),
			addrs: bytesOf(addrs), addrsSize: apart(full.sizeSfInfoKernel, unsafe.Sizeof(addrs[0])),
			id: true, at: addrsOffset(full.sizeSfInfoKernel),
		}.subflows(min(int(full.numSubflows), room)), nil
	}
}

// addrsOffset returns where the addresses are in struct mptcp_subflow_info,
// which is aligned as pointers are in the kernel.
func addrsOffset(sizeKernel uint32) int {
	if sizeKernel == 4+256 {
		return 4
	}
	return 8
}

// apart is how far apart the kernel puts the elements of an array: as they are
// here, or as they are there where that is less.
func apart(kernel uint32, here uintptr) int { return min(int(kernel), int(here)) }

func bytesOf[T any](s []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(&s[0])), len(s)*int(unsafe.Sizeof(s[0])))
}

// layout is what the kernel has filled in.
type layout struct {
	tcp, addrs         []byte
	tcpSize, addrsSize int  // of an element
	id                 bool // an element of addrs begins with the subflow's ID
	at                 int  // where its addresses begin
}

func (l layout) subflows(n int) []Subflow {
	subflows := make([]Subflow, n)
	for i := range subflows {
		s := &subflows[i]
		var tcp [1]unix.TCPInfo
		copy(bytesOf(tcp[:]), l.tcp[i*l.tcpSize:(i+1)*l.tcpSize])
		*s = subflowOf(&tcp[0])
		addrs := l.addrs[i*l.addrsSize : (i+1)*l.addrsSize]
		if l.id {
			s.ID = binary.NativeEndian.Uint32(addrs)
		}
		s.Local = addrPort(addrs[l.at:])
		s.Remote = addrPort(addrs[l.at+len(rawSockaddr{}):])
	}
	return subflows
}

// separateInfo is for kernels before 6.5. Between its two system calls a
// subflow may come or go; then it asks again.
func separateInfo(fd uintptr) ([]Subflow, error) {
	for range 4 {
		var addrs struct {
			rawSubflowData
			data [maxSubflows]rawSubflowAddrs
		}
		addrs.size = uint32(unsafe.Sizeof(addrs.rawSubflowData))
		addrs.sizeUser = uint32(unsafe.Sizeof(addrs.data[0]))
		if _, err := getsockopt(fd, unix.SOL_MPTCP, optSubflowAddrs, &addrs); err != nil {
			return nil, mptcpError("MPTCP_SUBFLOW_ADDRS", err)
		}
		var tcp struct {
			rawSubflowData
			data [maxSubflows]unix.TCPInfo
		}
		tcp.size = uint32(unsafe.Sizeof(tcp.rawSubflowData))
		tcp.sizeUser = uint32(unsafe.Sizeof(tcp.data[0]))
		if _, err := getsockopt(fd, unix.SOL_MPTCP, optTCPInfo, &tcp); err != nil {
			return nil, mptcpError("MPTCP_TCPINFO", err)
		}
		if addrs.numSubflows != tcp.numSubflows {
			continue
		}
		return layout{
			tcp: bytesOf(tcp.data[:]), tcpSize: apart(tcp.sizeKernel, unsafe.Sizeof(tcp.data[0])),
			addrs: bytesOf(addrs.data[:]), addrsSize: apart(addrs.sizeKernel, unsafe.Sizeof(addrs.data[0])),
		}.subflows(min(int(tcp.numSubflows), maxSubflows)), nil
	}
	return nil, fmt.Errorf("subflows change too fast: %w", unix.EAGAIN)
}

func subflowOf(t *unix.TCPInfo) Subflow {
	us := func(v uint32) time.Duration { return time.Duration(v) * time.Microsecond }
	s := Subflow{
		State:              State(t.State),
		RTT:                us(t.Rtt),
		RTTVar:             us(t.Rttvar),
		ReceiveRTT:         us(t.Rcv_rtt),
		BytesSent:          t.Bytes_sent,
		BytesAcked:         t.Bytes_acked,
		BytesReceived:      t.Bytes_received,
		BytesRetransmitted: t.Bytes_retrans,
		Retransmits:        t.Total_retrans,
		Unacked:            t.Unacked,
		Lost:               t.Lost,
		NotSent:            t.Notsent_bytes,
		Cwnd:               t.Snd_cwnd,
		MSS:                t.Snd_mss,
		DeliveryRate:       t.Delivery_rate,
	}
	if t.Min_rtt != 1<<32-1 { // that: not measured yet
		s.MinRTT = us(t.Min_rtt)
	}
	return s
}

// addrPort reads a struct sockaddr_storage. IPv4 connections of an IPv6 socket
// come as IPv4.
func addrPort(b []byte) netip.AddrPort {
	port := binary.BigEndian.Uint16(b[2:])
	switch binary.NativeEndian.Uint16(b) {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), port)
	case unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])).Unmap(), port)
	}
	return netip.AddrPort{}
}
