package mptcp

import (
	"fmt"
	"net/netip"
	"syscall"

	"github.com/vishvananda/netlink/nl"
)

// EventType says what happened (enum mptcp_event_type).
type EventType uint8

// What happened to a connection or, in the last two cases, to an endpoint.
const (
	EventLost               EventType = 0  // events were lost: look at the state anew
	EventCreated            EventType = 1  // first subflow made; the peer has yet to confirm MPTCP
	EventEstablished        EventType = 2  // MPTCP confirmed, subflows can be made
	EventClosed             EventType = 3  // only Token is set
	EventAnnounced          EventType = 6  // the peer has another address: RemoteID, Remote
	EventRemoved            EventType = 7  // the peer took it back: RemoteID
	EventSubflowEstablished EventType = 10 // not sent for the first subflow
	EventSubflowClosed      EventType = 11 // Error and ResetReason may tell why
	EventSubflowPriority    EventType = 13 // the peer changed Backup
	EventListenerCreated    EventType = 15 // Signal endpoint with a port: Local; Linux 6.3
	EventListenerClosed     EventType = 16
)

var eventNames = map[EventType]string{
	EventLost: "lost", EventCreated: "created", EventEstablished: "established",
	EventClosed: "closed", EventAnnounced: "announced", EventRemoved: "removed",
	EventSubflowEstablished: "subflow-established", EventSubflowClosed: "subflow-closed",
	EventSubflowPriority: "subflow-priority", EventListenerCreated: "listener-created",
	EventListenerClosed: "listener-closed",
}

// String returns a short name.
func (t EventType) String() string {
	if name, ok := eventNames[t]; ok {
		return name
	}
	return fmt.Sprintf("event-%d", uint8(t))
}

// Event is something that happened to a connection. Fields that the kernel did
// not send are zero.
type Event struct {
	Type              EventType
	Token             uint32 // local token of the connection, as in [Info]
	Local, Remote     netip.AddrPort
	LocalID, RemoteID uint8
	IfIndex           int  // device of the subflow; 0: not bound to one
	Backup            bool // the peer wants the subflow used last; what we want is not told
	// Error is what closed the subflow, as far as the kernel knows.
	Error syscall.Errno
	// ResetReason is the code of RFC 8684, section 3.6, on a subflow that was
	// reset with one; HasReset tells whether there was one, since 0 is a code.
	HasReset       bool
	ResetReason    uint32
	ResetTransient bool
	ServerSide     bool // we accepted the connection
	DenyJoinID0    bool // the peer takes no subflows to its initial address
}

// From enum mptcp_event_attr: MPTCP_ATTR_*.
const (
	evToken       = 1 // u32
	evLocID       = 3 // u8
	evRemID       = 4 // u8
	evSaddr4      = 5
	evSaddr6      = 6
	evDaddr4      = 7
	evDaddr6      = 8
	evSport       = 9  // be16
	evDport       = 10 // be16
	evBackup      = 11 // u8
	evError       = 12 // u8
	evFlags       = 13 // u16
	evIfIdx       = 15 // s32
	evResetReason = 16 // u32
	evResetFlags  = 17 // u32
	evServerSide  = 18 // u8; deprecated for a flag in Linux 6.18

	evFlagDenyJoinID0 = 1 << 0
	evFlagServerSide  = 1 << 1

	resetTransient = 1 << 0 // MPTCP_RST_TRANSIENT, T of RFC 8684, section 3.6
)

// parseEvent reads one generic netlink message.
func parseEvent(b []byte) (Event, error) {
	if len(b) < nl.SizeofGenlmsg {
		return Event{}, errShortAttr
	}
	e := Event{Type: EventType(b[0])}
	var local, remote netip.Addr
	var sport, dport uint16
	err := eachAttr(b[nl.SizeofGenlmsg:], func(kind uint16, v attr) {
		switch kind {
		case evToken:
			e.Token = v.u32()
		case evLocID:
			e.LocalID = v.u8()
		case evRemID:
			e.RemoteID = v.u8()
		case evSaddr4, evSaddr6:
			local = v.addr()
		case evDaddr4, evDaddr6:
			remote = v.addr()
		case evSport:
			sport = v.be16()
		case evDport:
			dport = v.be16()
		case evBackup:
			e.Backup = v.u8() != 0
		case evError:
			e.Error = syscall.Errno(v.u8())
		case evFlags:
			e.DenyJoinID0 = v.u16()&evFlagDenyJoinID0 != 0
			e.ServerSide = e.ServerSide || v.u16()&evFlagServerSide != 0
		case evIfIdx:
			e.IfIndex = int(int32(v.u32()))
		case evResetReason:
			e.HasReset, e.ResetReason = true, v.u32()
		case evResetFlags:
			e.ResetTransient = v.u32()&resetTransient != 0
		case evServerSide:
			e.ServerSide = e.ServerSide || v.u8() != 0
		}
	})
	if err != nil {
		return Event{}, err
	}
	if local.IsValid() {
		e.Local = netip.AddrPortFrom(local, sport)
	}
	if remote.IsValid() {
		e.Remote = netip.AddrPortFrom(remote, dport)
	}
	return e, nil
}
