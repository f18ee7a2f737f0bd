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
// Read flow.go first, then pump.go (one direction).
package relay
