package mptcp

import (
	"context"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// defaultEventBuffer is how much of events the kernel keeps for us, in bytes:
// about four thousand events.
const defaultEventBuffer = 4 << 20

// Events follows all MPTCP connections of the network namespace of the
// calling thread (which should be that of [Open]). Nothing that happens after
// the call is missed; if the receiver is too slow for the kernel's buffer, it
// gets EventLost and then what follows the gap. The channel is closed when ctx
// ends. It needs CAP_NET_ADMIN on Linux 6.12 and later.
func (pm *PathManager) Events(ctx context.Context) (<-chan Event, error) {
	s, err := nl.Subscribe(unix.NETLINK_GENERIC)
	if err != nil {
		return nil, fmt.Errorf("open netlink socket: %w", err)
	}
	// Not through the arguments of Subscribe, which know 32 groups.
	err = unix.SetsockoptInt(s.GetFd(), unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, int(pm.group))
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("join %q: %w", pmEventsGroup, err)
	}
	_ = s.SetReceiveBufferSize(pm.eventBuffer, true) // at worst, gaps
	events := make(chan Event)
	go func() {
		defer close(events)
		stop := context.AfterFunc(ctx, s.Close)
		pm.receive(ctx, s, events)
		if stop() {
			s.Close()
		}
	}()
	return events, nil
}

// receive passes on events until ctx ends, which closes s.
func (pm *PathManager) receive(ctx context.Context, s *nl.NetlinkSocket, events chan<- Event) {
	send := func(e Event) {
		select {
		case events <- e:
		case <-ctx.Done():
		}
	}
	for ctx.Err() == nil {
		messages, from, err := s.Receive()
		switch {
		case err == unix.ENOBUFS:
			send(Event{Type: EventLost})
			continue
		case err == unix.EINTR:
			continue
		case err != nil:
			return
		case from.Pid != nl.PidKernel:
			continue
		}
		for _, m := range messages {
			if m.Header.Type != pm.family {
				continue
			}
			if e, err := parseEvent(m.Data); err == nil {
				send(e)
			}
		}
	}
}
