package uplink

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"tandem/shared/nocmp"
)

// The kernel's view of devices and addresses, through netlink's nl: netlink's
// own LinkByName and AddrList know every kind of device and how to make one,
// which is 170 kB of a router's program.

// device is one network device.
type device struct {
	index    int
	flags    uint32 // IFF_…
	counters Counters
}

// address is one address of a device.
type address struct {
	_      nocmp.Field
	device int // its index
	ip     netip.Addr
	length int    // of the network that is on the link; all bits where a peer is
	scope  uint8  // RT_SCOPE_…
	flags  uint32 // IFA_F_…
}

// deviceNamed returns an error that is ENODEV where there is none.
func deviceNamed(name string) (device, error) {
	kind := unix.IFLA_IFNAME
	if len(name) >= unix.IFNAMSIZ {
		kind = unix.IFLA_ALT_IFNAME
	}
	d, err := readDevice(nl.NewIfInfomsg(unix.AF_UNSPEC), nl.NewRtAttr(kind, nl.ZeroTerminated(name)))
	if err != nil {
		return d, fmt.Errorf("device %q: %w", name, err)
	}
	return d, nil
}

func deviceAt(index int) (device, error) {
	about := nl.NewIfInfomsg(unix.AF_UNSPEC)
	about.Index = int32(index)
	return readDevice(about)
}

func readDevice(parts ...nl.NetlinkRequestData) (d device, err error) {
	r := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_ACK)
	for _, p := range parts {
		r.AddData(p)
	}
	answers, err := r.Execute(unix.NETLINK_ROUTE, 0)
	if err != nil {
		return d, err
	}
	if len(answers) != 1 || len(answers[0]) < unix.SizeofIfInfomsg {
		return d, fmt.Errorf("the kernel describes %d devices", len(answers))
	}
	about := nl.DeserializeIfInfomsg(answers[0])
	d.index, d.flags = int(about.Index), about.Flags
	attrs, err := nl.ParseRouteAttr(answers[0][unix.SizeofIfInfomsg:])
	for _, a := range attrs {
		if a.Attr.Type == unix.IFLA_STATS64 && len(a.Value) >= 4*8 { // struct rtnl_link_stats64
			n := func(i int) uint64 { return binary.NativeEndian.Uint64(a.Value[8*i:]) }
			d.counters = Counters{DownPackets: n(0), UpPackets: n(1), Down: n(2), Up: n(3)}
		}
	}
	return d, err
}

// readAddresses lists those of all devices.
func readAddresses() (list []address, err error) {
	var answers [][]byte
	for range 5 {
		r := nl.NewNetlinkRequest(unix.RTM_GETADDR, unix.NLM_F_DUMP)
		r.AddData(nl.NewIfAddrmsg(unix.AF_UNSPEC))
		answers, err = r.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWADDR)
		if !errors.Is(err, nl.ErrDumpInterrupted) {
			break
		}
	}
	// Interrupted time and again: what was changed meanwhile is an event to come.
	if err != nil && !errors.Is(err, nl.ErrDumpInterrupted) {
		return nil, err
	}
	for _, answer := range answers {
		if len(answer) < unix.SizeofIfAddrmsg {
			continue
		}
		attrs, err := nl.ParseRouteAttr(answer[unix.SizeofIfAddrmsg:])
		if err != nil {
			return nil, err
		}
		if a, ok := parseAddress(nl.DeserializeIfAddrmsg(answer), attrs); ok {
			list = append(list, a)
		}
	}
	return list, nil
}

// parseAddress: IFA_LOCAL is the own address, IFA_ADDRESS the peer's or the same;
// IPv6 without a peer has the latter only.
func parseAddress(about *nl.IfAddrmsg, attrs []syscall.NetlinkRouteAttr) (address, bool) {
	a := address{device: int(about.Index), length: int(about.Prefixlen), scope: about.Scope, flags: uint32(about.Flags)}
	var local, other netip.Addr
	for _, attr := range attrs {
		switch attr.Attr.Type {
		case unix.IFA_LOCAL:
			local, _ = netip.AddrFromSlice(attr.Value)
		case unix.IFA_ADDRESS:
			other, _ = netip.AddrFromSlice(attr.Value)
		case unix.IFA_FLAGS: // the header has room for 8 of them only
			if len(attr.Value) >= 4 {
				a.flags = binary.NativeEndian.Uint32(attr.Value)
			}
		}
	}
	a.ip = other
	if local.IsValid() {
		if a.ip = local; local != other {
			a.length = local.BitLen()
		}
	}
	return a, a.ip.IsValid()
}

// changes tells of devices, addresses and policy routing rules that change.
type changes struct {
	socket *nl.NetlinkSocket
	seen   chan struct{} // several changes may be told as one
	failed chan error    // ENOBUFS and the like: changes may be missing
}

// watchChanges tells of all that happens after it has returned, until close.
func watchChanges() (*changes, error) {
	s, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR,
		unix.RTNLGRP_IPV4_RULE) // mwan3's
	if err != nil {
		return nil, err
	}
	c := &changes{socket: s, seen: make(chan struct{}, 1), failed: make(chan error, 1)}
	go c.receive()
	return c, nil
}

// receive ends with an error, at the latest when the socket is closed.
func (c *changes) receive() {
	for {
		_, from, err := c.socket.Receive()
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			c.failed <- err
			return
		case from.Pid != nl.PidKernel:
			continue
		}
		select {
		case c.seen <- struct{}{}:
		default:
		}
	}
}

func (c *changes) close() { c.socket.Close() }
