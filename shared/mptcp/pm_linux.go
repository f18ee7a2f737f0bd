package mptcp

import (
	"fmt"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// From include/uapi/linux/mptcp_pm.h.
const (
	pmFamily      = "mptcp_pm"
	pmEventsGroup = "mptcp_pm_events"
	pmVersion     = 1

	cmdAddAddr        = 1 // MPTCP_PM_CMD_ADD_ADDR and so on
	cmdDelAddr        = 2
	cmdGetAddr        = 3
	cmdFlushAddrs     = 4
	cmdSetLimits      = 5
	cmdGetLimits      = 6
	cmdSetFlags       = 7
	cmdAnnounce       = 8
	cmdRemove         = 9
	cmdSubflowCreate  = 10
	cmdSubflowDestroy = 11

	attrAddr        = 1 // MPTCP_PM_ATTR_ADDR, nested, and so on
	attrRcvAddAddrs = 2 // u32
	attrSubflows    = 3 // u32
	attrToken       = 4 // u32
	attrLocID       = 5 // u8
	attrAddrRemote  = 6 // nested
)

// pmTimeout bounds the wait for the kernel's answer, which comes at once.
const pmTimeout = 10 * time.Second

// PathManager speaks with the MPTCP path manager of one network namespace,
// which belongs to all MPTCP connections in it. It is safe for concurrent use.
//
// Endpoints and limits rule the in-kernel path manager, which makes subflows
// by itself; see [PathManager.CreateSubflow] for the other one. Changes need
// CAP_NET_ADMIN.
type PathManager struct {
	family uint16
	group  uint32 // multicast group of the events
	socket *nl.SocketHandle

	eventBuffer int // bytes; smaller in tests
}

// Open returns the path manager of the network namespace of the calling
// thread. ENOENT: the kernel has no MPTCP.
func Open() (*PathManager, error) {
	family, groups, err := resolve(pmFamily)
	if err != nil {
		return nil, fmt.Errorf("netlink family %q: %w", pmFamily, err)
	}
	pm := &PathManager{family: family, group: groups[pmEventsGroup], eventBuffer: defaultEventBuffer}
	s, err := nl.Subscribe(unix.NETLINK_GENERIC)
	if err != nil {
		return nil, fmt.Errorf("open netlink socket: %w", err)
	}
	timeout := unix.NsecToTimeval(pmTimeout.Nanoseconds())
	_ = s.SetReceiveTimeout(&timeout) // neither fails
	_ = s.SetSendTimeout(&timeout)
	_ = s.SetExtAck(true) // errors with text, where the kernel can
	pm.socket = &nl.SocketHandle{Socket: s}
	return pm, nil
}

// Close ends the use of pm. It does not end running [PathManager.Events].
func (pm *PathManager) Close() { pm.socket.Close() }

// do runs one command. The answers to a dump or a query are returned without
// their generic netlink header.
func (pm *PathManager) do(name string, command uint8, flags int, attrs ...*nl.RtAttr) ([][]byte, error) {
	req := nl.NewNetlinkRequest(int(pm.family), flags)
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_GENERIC: pm.socket}
	req.AddData(&nl.Genlmsg{Command: command, Version: pmVersion})
	for _, a := range attrs {
		req.AddData(a)
	}
	answers, err := req.Execute(unix.NETLINK_GENERIC, 0)
	if err != nil {
		return nil, fmt.Errorf("mptcp %s: %w", name, err)
	}
	for i, a := range answers {
		answers[i] = a[min(nl.SizeofGenlmsg, len(a)):]
	}
	return answers, nil
}

// Limits bound what the in-kernel path manager does on each connection.
type Limits struct {
	// AddAddrAccepted is how many addresses announced by the peer are
	// connected to; the kernel starts with 0.
	AddAddrAccepted uint32
	// Subflows is how many subflows are made or accepted beyond the first one;
	// the kernel starts with 2, and takes no more than 8 (Linux 6.18).
	Subflows uint32
}

// Limits returns the limits in force.
func (pm *PathManager) Limits() (Limits, error) {
	var l Limits
	answers, err := pm.do("get limits", cmdGetLimits, 0)
	for _, a := range answers {
		err = eachAttr(a, func(kind uint16, v attr) {
			switch kind {
			case attrRcvAddAddrs:
				l.AddAddrAccepted = v.u32()
			case attrSubflows:
				l.Subflows = v.u32()
			}
		})
	}
	return l, err
}

// SetLimits replaces both limits.
func (pm *PathManager) SetLimits(l Limits) error {
	_, err := pm.do("set limits", cmdSetLimits, unix.NLM_F_ACK,
		nl.NewRtAttr(attrRcvAddAddrs, nl.Uint32Attr(l.AddAddrAccepted)),
		nl.NewRtAttr(attrSubflows, nl.Uint32Attr(l.Subflows)))
	return err
}
