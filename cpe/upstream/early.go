package upstream

import (
	"time"

	"tandem/shared/mptcp"
	"tandem/shared/relay"
)

// answersEarly waits until a request that left with the SYN is answered, rather
// than for the handshake and then for the answer: who waits for both is woken
// twice, and being woken is what a short connection costs most beside its
// packets. It returns false if there is more to find out: the request did not
// leave, the connection has failed, or the server is far away.
func (a *Attempt) answersEarly(planned *relay.Dialling, request []byte, until time.Time) bool {
	if a.dialer.Taken < len(request) {
		return false
	}
	conn := planned.Socket()
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	soon := time.Now().Add(2*a.converter.roundTrip(a.Line) + earlyWait)
	if soon.After(until) {
		soon = until
	}
	_ = conn.SetReadDeadline(soon)
	defer conn.SetReadDeadline(time.Time{})
	looked := false
	_ = raw.Read(func(fd uintptr) (done bool) {
		a.early = looked && mptcp.HasBytes(int(fd))
		done, looked = looked, true
		return done
	})
	return a.early
}

// earlyWait is how much longer than two round trips an answer is waited for in
// this way: what a server takes that is not far from the concentrator.
const earlyWait = 30 * time.Millisecond
