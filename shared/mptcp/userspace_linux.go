package mptcp

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// The commands of this file need the userspace path manager: connections made
// while net.mptcp.path_manager is "userspace" (Linux 6.15; before that, and
// still, net.mptcp.pm_type is 1, Linux 5.19). Such connections have no
// subflows but those made here. Token is that of [Info] or of an [Event].

// Announce tells the peer of a connection of a local address (ADD_ADDR), to
// which it may make subflows. local.ID is needed.
func (pm *PathManager) Announce(token uint32, local Endpoint) error {
	local.Flags |= FlagSignal
	return pm.onConnection("announce", cmdAnnounce, token, local.nested(attrAddr))
}

// Remove takes an announced address back (REMOVE_ADDR) and closes its
// subflows.
func (pm *PathManager) Remove(token uint32, localID uint8) error {
	return pm.onConnection("remove", cmdRemove, token, nl.NewRtAttr(attrLocID, nl.Uint8Attr(localID)))
}

// CreateSubflow begins to make a subflow from a local address, which the
// peer will know as local.ID, to an address of the peer. Local.Port is 0,
// local.Flags may have FlagBackup. SubflowEstablished or SubflowClosed events
// tell what became of it.
func (pm *PathManager) CreateSubflow(token uint32, local Endpoint, remote netip.AddrPort) error {
	return pm.onConnection("create subflow", cmdSubflowCreate, token,
		local.nested(attrAddr), endpointOf(remote).nested(attrAddrRemote))
}

// DestroySubflow closes the subflow between two addresses with a reset.
// ESRCH: there is none.
func (pm *PathManager) DestroySubflow(token uint32, local, remote netip.AddrPort) error {
	return pm.onConnection("destroy subflow", cmdSubflowDestroy, token,
		endpointOf(local).nested(attrAddr), endpointOf(remote).nested(attrAddrRemote))
}

// SetSubflowBackup makes one subflow a backup or not, and tells the peer.
func (pm *PathManager) SetSubflowBackup(token uint32, local, remote netip.AddrPort, backup bool) error {
	l := endpointOf(local)
	if backup {
		l.Flags = FlagBackup
	}
	return pm.onConnection("set subflow flags", cmdSetFlags, token,
		l.nested(attrAddr), endpointOf(remote).nested(attrAddrRemote))
}

func endpointOf(a netip.AddrPort) Endpoint {
	return Endpoint{Addr: a.Addr(), Port: a.Port()}
}

func (pm *PathManager) onConnection(name string, command uint8, token uint32, attrs ...*nl.RtAttr) error {
	attrs = append([]*nl.RtAttr{nl.NewRtAttr(attrToken, nl.Uint32Attr(token))}, attrs...)
	_, err := pm.do(fmt.Sprintf("%s on connection %#08x", name, token), command, unix.NLM_F_ACK, attrs...)
	return err
}
