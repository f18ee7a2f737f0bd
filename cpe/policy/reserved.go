package policy

import "net/netip"

// Reserved returns the ranges that never lie behind a concentrator, IPv4 first,
// ascending and without overlap.
func Reserved() []netip.Prefix {
	var all []netip.Prefix
	for _, s := range []string{
		"0.0.0.0/8",      // this network, RFC 791
		"10.0.0.0/8",     // private, RFC 1918
		"100.64.0.0/10",  // carrier NAT, RFC 6598
		"127.0.0.0/8",    // loopback
		"169.254.0.0/16", // link-local, RFC 3927
		"172.16.0.0/12",  // private
		"192.168.0.0/16", // private
		"224.0.0.0/4",    // multicast
		"240.0.0.0/4",    // reserved, and broadcast
		"::/128",         // unspecified
		"::1/128",        // loopback
		"::ffff:0:0/96",  // IPv4-mapped, never on a wire
		"64:ff9b::/96",   // NAT64, RFC 6052: only the WAN's own network translates it
		"64:ff9b:1::/48", // NAT64, RFC 8215
		"fc00::/7",       // unique local, RFC 4193
		"fe80::/10",      // link-local
		"ff00::/8",       // multicast
	} {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}
