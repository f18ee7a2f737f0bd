package mptcp

import (
	"unsafe"

	"tandem/shared/nocmp"
)

// From include/uapi/linux/mptcp.h; golang.org/x/sys has none of these. The
// kernel copies the shorter of its own and our structure, so fields past what
// it knows stay zero.
const (
	optInfo         = 1 // MPTCP_INFO, Linux 5.16
	optTCPInfo      = 2 // MPTCP_TCPINFO, Linux 5.16
	optSubflowAddrs = 3 // MPTCP_SUBFLOW_ADDRS, Linux 5.16
	optFullInfo     = 4 // MPTCP_FULL_INFO, Linux 6.5

	infoFlagFallback  = 1 << 0 // MPTCP_INFO_FLAG_FALLBACK
	infoFlagRemoteKey = 1 << 1 // MPTCP_INFO_FLAG_REMOTE_KEY_RECEIVED

	// tcpOptSynData is TCPI_OPT_SYN_DATA of include/uapi/linux/tcp.h: SYN data
	// was sent and acknowledged, or received and taken.
	tcpOptSynData = 1 << 5
)

// rawInfo is struct mptcp_info. All fields are naturally aligned, so the
// layout is the same on every architecture.
type rawInfo struct {
	_               nocmp.Field
	subflows        uint8
	addAddrSignal   uint8
	addAddrAccepted uint8
	subflowsMax     uint8
	_               uint8 // addAddrSignalMax
	_               uint8 // addAddrAcceptedMax
	_               [2]uint8
	flags           uint32
	token           uint32
	writeSeq        uint64
	sndUna          uint64
	rcvNxt          uint64
	_               uint8 // localAddrUsed
	_               uint8 // localAddrMax
	csumEnabled     uint8
	_               uint8
	retransmits     uint32 // from here on: Linux 6.5
	bytesRetrans    uint64
	bytesSent       uint64
	bytesReceived   uint64
	bytesAcked      uint64
	subflowsTotal   uint8 // Linux 6.8
	_               [3]uint8
	lastDataSent    uint32 // milliseconds; the last three: Linux 6.10
	lastDataRecv    uint32
	lastAckRecv     uint32
}

// infoSize516 is what struct mptcp_info had in Linux 5.16; less is no answer.
const infoSize516 = int(unsafe.Offsetof(rawInfo{}.retransmits))

// rawSubflowData is struct mptcp_subflow_data, the header of the arrays that
// MPTCP_TCPINFO and MPTCP_SUBFLOW_ADDRS return.
type rawSubflowData struct {
	size        uint32
	numSubflows uint32
	sizeKernel  uint32
	sizeUser    uint32
}

// rawSockaddr has the size of struct sockaddr_storage.
type rawSockaddr [128]byte

// rawSubflowAddrs is struct mptcp_subflow_addrs: local, remote.
type rawSubflowAddrs [2]rawSockaddr

// rawSubflowInfo is struct mptcp_subflow_info as a 64-bit kernel has it. A
// 32-bit kernel puts the addresses at offset 4; see addrsOffset.
type rawSubflowInfo [8 + 256]byte

// rawFullInfo is struct mptcp_full_info. The two pointers are 64 bits wide on
// every architecture.
type rawFullInfo struct {
	sizeTCPInfoKernel uint32
	sizeTCPInfoUser   uint32
	sizeSfInfoKernel  uint32
	sizeSfInfoUser    uint32
	numSubflows       uint32
	sizeArraysUser    uint32
	subflowInfo       uint64
	tcpInfo           uint64
	info              rawInfo // the same as MPTCP_INFO
}

// The sizes of Linux 6.18, checked when compiling.
var (
	_ [96]byte  = [unsafe.Sizeof(rawInfo{})]byte{}
	_ [16]byte  = [unsafe.Sizeof(rawSubflowData{})]byte{}
	_ [256]byte = [unsafe.Sizeof(rawSubflowAddrs{})]byte{}
	_ [136]byte = [unsafe.Sizeof(rawFullInfo{})]byte{}
)
