// Package relay joins two stream connections: what one side sends the other
// receives, until both directions have ended.
//
// Its callers see connections going in and a [Result] coming out; how bytes
// are moved in between is this package's own affair.
//
// What the two legs' ends see of each other:
//
//	one side sends FIN        the other gets FIN, the opposite direction lives on
//	one side sends RST        the other gets RST (MP_FASTCLOSE on an MPTCP leg)
//	one side dies (timeout)   the other gets RST
//
// RFC 8803 section 5 asks for exactly this mapping.
//
// # How
//
// A few loops, one per processor, own all flows. A loop waits in epoll for
// sockets that have something to tell, and gives each direction concerned a
// turn: read, write, until there is nothing to read or no room to write to. No
// turn waits for anything, and none lasts longer than is fair to the others.
//
//	flow   two sockets (legs) and two directions (pumps)
//	pump   waiting ─ readable ─▸ turn ─┬─ nothing more ─▸ waiting
//	                                   ├─ a stream ─────▸ asleep, for at most a millisecond
//	                                   ├─ paced ────────▸ asleep, as the pacer says
//	                                   ├─ no room ──────▸ stalled, until there is
//	                                   ├─ enough now ───▸ queued for the next turn, by a pipe (pipe.go)
//	                                   └─ end of file ──▸ holding, until little is under way ─▸ ended
//
// An idle flow is two descriptors and some hundred bytes: no goroutine, no
// buffer, no pipe.
//
// Being woken for each packet is what costs most at the speed of access lines
// (docs/performance.md has the figures). So a direction that streams is not
// woken at all: it looks by itself every millisecond (nap.go). Everything else
// is served at once.
//
// Before a flow there are sockets (socket.go), for which goroutines wait (wait.go,
// lobby.go) while they shake hands (dial.go) and agree on what is to be relayed.
//
// Read flow.go first, then pump.go (one direction), nap.go, pipe.go, hold.go, loop.go.
package relay
