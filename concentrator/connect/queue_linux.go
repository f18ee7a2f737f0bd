package connect

import (
	"os"

	"golang.org/x/sys/unix"

	"tandem/shared/mptcp"
)

// errorQueue reads the ICMP message that ended a connection attempt. With
// IP_RECVERR set, Linux queues it for a TCP socket in SYN_SENT (seen on 6.18);
// the errno alone cannot tell, for one, "host unreachable" from
// "administratively prohibited", nor a router's word from a missing route.
type errorQueue struct{ v6 bool }

// icmp is what is of interest in an ICMP message.
type icmp struct {
	origin, typ, code byte
}

// set has ICMP messages queued, or treated as usual.
func (q *errorQueue) set(fd, on int) error {
	level, option := unix.SOL_IP, unix.IP_RECVERR
	if q.v6 {
		level, option = unix.SOL_IPV6, unix.IPV6_RECVERR
	}
	return wrap("setsockopt IP_RECVERR", mptcp.SetInt(fd, level, option, on))
}

// last returns the newest queued ICMP message.
func (q *errorQueue) last(fd int) (m icmp, ok bool) {
	var payload [64]byte
	var control [256]byte
	for range 16 {
		_, n, _, _, err := unix.Recvmsg(fd, payload[:], control[:], unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if err != nil {
			break
		}
		all, err := unix.ParseSocketControlMessage(control[:n])
		if err != nil {
			break
		}
		for _, c := range all {
			is4 := c.Header.Level == unix.SOL_IP && c.Header.Type == unix.IP_RECVERR
			is6 := c.Header.Level == unix.SOL_IPV6 && c.Header.Type == unix.IPV6_RECVERR
			// struct sock_extended_err: errno (4 bytes), origin, type, code, ...
			if (is4 || is6) && len(c.Data) >= 16 {
				got := icmp{c.Data[4], c.Data[5], c.Data[6]}
				if got.origin == unix.SO_EE_ORIGIN_ICMP || got.origin == unix.SO_EE_ORIGIN_ICMP6 {
					m, ok = got, true
				}
			}
		}
	}
	return m, ok
}

// wrap names the system call, as package net does for its own.
func wrap(call string, err error) error { return os.NewSyscallError(call, err) }
