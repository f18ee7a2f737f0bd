package mptcp

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"tandem/shared/nocmp"
)

// Flags say what an endpoint is for (MPTCP_PM_ADDR_FLAG_*).
type Flags uint32

// What an endpoint is for. The kernel refuses Signal with Fullmesh.
const (
	FlagSignal   Flags = 1 << 0 // announce the address to peers
	FlagSubflow  Flags = 1 << 1 // make a subflow from the address
	FlagBackup   Flags = 1 << 2 // its subflows carry data only when no other can
	FlagFullmesh Flags = 1 << 3 // make a subflow to each address of the peer
	FlagImplicit Flags = 1 << 4 // made by the kernel; cannot be asked for
	FlagLaminar  Flags = 1 << 5 // use the address to answer announcements; Linux 6.18
)

// String returns the names, as ip-mptcp(8) has them.
func (f Flags) String() string {
	var names []string
	for i, name := range []string{"signal", "subflow", "backup", "fullmesh", "implicit", "laminar"} {
		if f&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// Endpoint is a local address that the path manager knows.
type Endpoint struct {
	_       nocmp.Field
	ID      uint8 // address identifier, 1 to 255; 0: the kernel chooses
	Addr    netip.Addr
	Port    uint16 // with FlagSignal: listen there for joins; else 0
	IfIndex int    // device of the subflows; 0: by routing
	Flags   Flags
}

// From enum in include/uapi/linux/mptcp_pm.h: MPTCP_PM_ADDR_ATTR_*.
const (
	addrAttrFamily = 1 // u16
	addrAttrID     = 2 // u8
	addrAttrAddr4  = 3
	addrAttrAddr6  = 4
	addrAttrPort   = 5 // u16, host byte order
	addrAttrFlags  = 6 // u32
	addrAttrIfIdx  = 7 // s32
)

// nested returns e as an attribute of the given type.
func (e Endpoint) nested(kind int) *nl.RtAttr {
	a := nl.NewRtAttr(kind|unix.NLA_F_NESTED, nil)
	addr := e.Addr.Unmap()
	switch {
	case addr.Is4():
		a.AddRtAttr(addrAttrFamily, nl.Uint16Attr(unix.AF_INET))
		a.AddRtAttr(addrAttrAddr4, addr.AsSlice())
	case addr.Is6():
		a.AddRtAttr(addrAttrFamily, nl.Uint16Attr(unix.AF_INET6))
		a.AddRtAttr(addrAttrAddr6, addr.AsSlice())
	}
	if e.ID != 0 {
		a.AddRtAttr(addrAttrID, nl.Uint8Attr(e.ID))
	}
	if e.Port != 0 {
		a.AddRtAttr(addrAttrPort, nl.Uint16Attr(e.Port))
	}
	if e.IfIndex != 0 {
		a.AddRtAttr(addrAttrIfIdx, nl.Uint32Attr(uint32(e.IfIndex)))
	}
	if e.Flags != 0 {
		a.AddRtAttr(addrAttrFlags, nl.Uint32Attr(uint32(e.Flags)))
	}
	return a
}

func parseEndpoint(b []byte) (e Endpoint, err error) {
	err = eachAttr(b, func(kind uint16, v attr) {
		switch kind {
		case addrAttrID:
			e.ID = v.u8()
		case addrAttrAddr4, addrAttrAddr6:
			e.Addr = v.addr()
		case addrAttrPort:
			e.Port = v.u16()
		case addrAttrFlags:
			e.Flags = Flags(v.u32())
		case addrAttrIfIdx:
			e.IfIndex = int(int32(v.u32()))
		}
	})
	return e, err
}

// Endpoints returns all endpoints.
func (pm *PathManager) Endpoints() ([]Endpoint, error) {
	answers, err := pm.do("list endpoints", cmdGetAddr, unix.NLM_F_DUMP)
	if err != nil {
		return nil, err
	}
	var all []Endpoint
	for _, a := range answers {
		var inner error
		err := eachAttr(a, func(kind uint16, v attr) {
			if kind != attrAddr {
				return
			}
			var e Endpoint
			e, inner = parseEndpoint(v)
			all = append(all, e)
		})
		if err == nil {
			err = inner
		}
		if err != nil {
			return nil, fmt.Errorf("mptcp list endpoints: %w", err)
		}
	}
	return all, nil
}

// AddEndpoint adds an endpoint. Connections that exist use it too, with
// FlagSubflow at once. An address that is there already is refused (EBUSY on
// Linux 6.18), as is a ninth endpoint.
func (pm *PathManager) AddEndpoint(e Endpoint) error {
	_, err := pm.do(fmt.Sprintf("add endpoint %q", e.Addr), cmdAddAddr, unix.NLM_F_ACK, e.nested(attrAddr))
	return err
}

// DelEndpoint removes the endpoint with e.ID or, if that is 0, with e.Addr and
// e.Port, and closes its subflows on all connections. ENOENT or EINVAL: there
// is none.
func (pm *PathManager) DelEndpoint(e Endpoint) error {
	id, err := pm.idOf(e)
	if err != nil {
		return err
	}
	_, err = pm.do(fmt.Sprintf("delete endpoint %d", id), cmdDelAddr, unix.NLM_F_ACK, Endpoint{ID: id}.nested(attrAddr))
	return err
}

// FlushEndpoints removes all endpoints.
func (pm *PathManager) FlushEndpoints() error {
	_, err := pm.do("flush endpoints", cmdFlushAddrs, unix.NLM_F_ACK)
	return err
}

// SetFlags makes an endpoint, found as in [PathManager.DelEndpoint], and the
// subflows it has on all connections backup or not, and full mesh or not, as
// in e.Flags. Other flags cannot be changed. The peer learns it (MP_PRIO).
func (pm *PathManager) SetFlags(e Endpoint) error {
	id, err := pm.idOf(e)
	if err != nil {
		return err
	}
	change := Endpoint{ID: id, Flags: e.Flags & (FlagBackup | FlagFullmesh)}
	_, err = pm.do(fmt.Sprintf("set flags of endpoint %d", id), cmdSetFlags, unix.NLM_F_ACK, change.nested(attrAddr))
	return err
}

func (pm *PathManager) idOf(e Endpoint) (uint8, error) {
	if e.ID != 0 {
		return e.ID, nil
	}
	all, err := pm.Endpoints()
	if err != nil {
		return 0, err
	}
	for _, have := range all {
		if have.Addr == e.Addr.Unmap() && have.Port == e.Port {
			return have.ID, nil
		}
	}
	return 0, fmt.Errorf("mptcp endpoint %q: %w", e.Addr, unix.ENOENT)
}
