package mptcp

import (
	"bytes"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// resolve asks for the number of a generic netlink family, and those of its
// multicast groups. ENOENT: the kernel does not have it.
func resolve(family string) (number uint16, groups map[string]uint32, err error) {
	req := nl.NewNetlinkRequest(nl.GENL_ID_CTRL, unix.NLM_F_ACK)
	req.AddData(&nl.Genlmsg{Command: nl.GENL_CTRL_CMD_GETFAMILY, Version: nl.GENL_CTRL_VERSION})
	req.AddData(nl.NewRtAttr(nl.GENL_CTRL_ATTR_FAMILY_NAME, nl.ZeroTerminated(family)))
	answers, err := req.Execute(unix.NETLINK_GENERIC, 0)
	if err != nil {
		return 0, nil, err
	}
	groups = make(map[string]uint32)
	for _, a := range answers {
		err = eachAttr(a[min(nl.SizeofGenlmsg, len(a)):], func(kind uint16, v attr) {
			switch kind {
			case nl.GENL_CTRL_ATTR_FAMILY_ID:
				number = v.u16()
			case nl.GENL_CTRL_ATTR_MCAST_GROUPS:
				_ = eachAttr(v, func(_ uint16, v attr) { addGroup(groups, v) })
			}
		})
		if err != nil {
			return 0, nil, err
		}
	}
	return number, groups, nil
}

func addGroup(groups map[string]uint32, group []byte) {
	var name string
	var number uint32
	_ = eachAttr(group, func(kind uint16, v attr) {
		switch kind {
		case nl.GENL_CTRL_ATTR_MCAST_GRP_NAME:
			name = string(bytes.TrimRight(v, "\x00"))
		case nl.GENL_CTRL_ATTR_MCAST_GRP_ID:
			number = v.u32()
		}
	})
	groups[name] = number
}
