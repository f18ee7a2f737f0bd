// Package ruleset makes the kernel hand the TCP connections of LAN hosts to the
// transparent listener, and nothing else: an nftables table of our own,
// rendered as text and applied as one transaction, and one policy routing rule
// and route for each IP family.
//
// What happens to a packet from a LAN device:
//
//	neither TCP nor UDP ──────────────────────────────▶ routed
//	UDP ──▶ a rule, or quic refuse, turns it down, else routed
//	SYN ──▶ a bypass set matches ─────────────────────▶ routed
//	    ├─▶ a rule matches: routed, or turned down
//	    └─▶ tproxy finds the listener, then sets the mark
//	          │        └ no listener: rule does not match ▶ routed
//	          ▼
//	other ──▶ belongs to an accepted socket: sets the mark
//	    │     └ belongs to none ──────────────────────▶ routed
//	    ▼
//	mark ──▶ routing table 5125: local, to the socket
//
// With accept=faithful SYNs take a chain more, before these (hold.go): what no
// bypass set matches goes into a queue, and comes back with the daemon's mark,
// or with none when nobody listens there. Then only a marked SYN gets to
// tproxy.
//
// So with the daemon gone, however it went, the LAN is routed as if there were
// no Tandem.
//
// Packets other than SYNs are never given to the listener, because they may
// belong to connections that were routed before the rules came. The price: when
// 4,096 half-open connections of LAN hosts make the kernel answer with SYN
// cookies, the handshake's last packet belongs to no socket and is routed, and
// the connection is reset.
package ruleset
