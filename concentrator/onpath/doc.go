// Package onpath hands Multipath TCP connections that pass this host to a
// transparent listener (the implicit mode of a proxy on the path): an nftables
// table of our own, policy routing, and an address that is announced to the
// other side, since nothing of ours listens at the server's.
//
// What happens to a packet that passes:
//
//	belongs to a connection that was taken over ──▶ to its socket
//	SYN with MP_CAPABLE (RFC 8684 section 3.1)
//	  ├─▶ from elsewhere, or its destination is left alone ──▶ routed
//	  └─▶ tproxy finds the listener, then sets the mark ──▶ to the listener
//	        └ no listener: the rule does not match ──▶ routed
//	all else, plain TCP included ──▶ routed
//
// So with the daemon gone, however it went, all is routed as if it had never
// been there. What a killed one leaves are rules that match nothing, an endpoint
// and a setting of the path manager; the next start makes them its own.
//
// Every answer carries the C flag ("do not join to this address and port", RFC
// 8684 section 3.1): further subflows go to the announced address, where the
// kernel itself listens for them.
//
// Read rules.go, way_linux.go, speakers.go.
package onpath
