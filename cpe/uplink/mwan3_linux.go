package uplink

import (
	"encoding/binary"
	"errors"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// mwan3 of OpenWrt marks each connection with the number of a line and has a
// policy routing rule for each: priority 2000 and that number.
const (
	mwan3First = 2001
	mwan3Last  = 2254
)

// FindMwan3 returns the mask of the marks in mwan3's rules, 0 if there are none.
func FindMwan3() (mask uint32, err error) {
	r := nl.NewNetlinkRequest(unix.RTM_GETRULE, unix.NLM_F_DUMP)
	r.AddData(&nl.RtMsg{RtMsg: unix.RtMsg{Family: unix.AF_INET}})
	answers, err := r.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWRULE)
	if err != nil && !errors.Is(err, nl.ErrDumpInterrupted) {
		return 0, err
	}
	for _, answer := range answers {
		if len(answer) < unix.SizeofRtMsg {
			continue
		}
		attrs, err := nl.ParseRouteAttr(answer[unix.SizeofRtMsg:])
		if err != nil {
			return 0, err
		}
		var priority, mark, bits uint32
		for _, a := range attrs {
			if len(a.Value) != 4 {
				continue
			}
			value := binary.NativeEndian.Uint32(a.Value)
			switch a.Attr.Type {
			case unix.FRA_PRIORITY:
				priority = value
			case unix.FRA_FWMARK:
				mark = value
			case unix.FRA_FWMASK:
				bits = value
			}
		}
		if mwan3First <= priority && priority <= mwan3Last && mark != 0 && bits != 0 && bits != 1<<32-1 {
			return bits, nil
		}
	}
	return 0, nil
}
