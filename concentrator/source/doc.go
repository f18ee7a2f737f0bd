// Package source decides from which address a client's connection to a server
// comes: one that clients share, the client's own (address preservation, RFC
// 8803 section 4.1), or the LAN host's with the prefix translated (RFC 6296).
//
// A client is only ever seen with addresses of its own: prefixes that the
// operator gave it, which no two clients have in common, or the address that
// its CPE connects from, as far as the configuration lists that one's prefix
// and no other client has it.
//
// Reading order: mode.go, prefixes.go (what a client may have), choose.go (the
// decision), translate.go.
package source
