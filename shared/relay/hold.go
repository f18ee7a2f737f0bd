package relay

import (
	"time"

	"golang.org/x/sys/unix"
)

// An MPTCP connection of which one direction has ended takes no new subflow
// (docs/kernel-notes.md, 3.2): what has not arrived by then is lost with the line
// that it is on. A server that closes after its last byte leaves seconds of it in
// our send buffer. So the end of what is long waits until it has arrived, which is
// a round trip at most after its last byte. What is short goes with its end: it is
// exposed for a round trip only.
const (
	short = 16 << 10

	// holdLong is how often that is looked at, and holdShort the same when it
	// will be soon.
	holdLong  = 25 * time.Millisecond
	holdShort = 5 * time.Millisecond
)

// holdEnd returns after which time to ask again whether the end of what was
// written may follow; 0: it may. held tells that it had to wait already.
func (l *leg) holdEnd(held bool) time.Duration {
	left, err := unix.IoctlGetInt(l.fd, unix.SIOCOUTQ)
	if err != nil || left == 0 || left <= short && !held {
		return 0
	}
	if p, err := unix.GetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_PROTOCOL); err != nil || p != unix.IPPROTO_MPTCP {
		return 0
	}
	if left <= 16*short {
		return holdShort
	}
	return holdLong
}
