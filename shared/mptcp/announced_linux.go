package mptcp

import (
	"context"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Announced calls told with each address that a peer announces (ADD_ADDR), with
// the token of the connection, and with an address that is not valid when a
// connection ends. It is what a router needs of [PathManager.Events], and much
// smaller. It returns at once; told is called until ctx ends.
func (pm *PathManager) Announced(ctx context.Context, told func(token uint32, at netip.AddrPort)) {
	s, err := nl.Subscribe(unix.NETLINK_GENERIC)
	if err != nil {
		return
	}
	_ = unix.SetsockoptInt(s.GetFd(), unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, int(pm.group))
	context.AfterFunc(ctx, s.Close)
	go func() {
		for ctx.Err() == nil {
			messages, _, err := s.Receive()
			if err != nil && err != unix.ENOBUFS && err != unix.EINTR {
				return
			}
			for _, m := range messages {
				b := m.Data
				if len(b) < nl.SizeofGenlmsg || EventType(b[0]) != EventAnnounced && EventType(b[0]) != EventClosed {
					continue
				}
				var token uint32
				var addr netip.Addr
				var port uint16
				_ = eachAttr(b[nl.SizeofGenlmsg:], func(kind uint16, v attr) {
					switch kind {
					case evToken:
						token = v.u32()
					case evDaddr4, evDaddr6:
						addr = v.addr()
					case evDport:
						port = v.be16()
					}
				})
				told(token, netip.AddrPortFrom(addr, port))
			}
		}
	}()
}
