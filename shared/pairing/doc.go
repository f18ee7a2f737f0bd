// Package pairing is the one line that carries everything a CPE needs to use a
// concentrator:
//
//	tandem://AQBTzyT…
//
// It is printed by the one, typed or pasted at the other, and holds the key: it
// is as secret as that.
//
// Behind the scheme come characters of base64url (RFC 4648 section 5) without
// padding. Each 60 of them, or what is left at the end, are followed by three
// that check them, by which one wrong character in each such group is found
// (group.go). The others decode to, all numbers in network order:
//
//	1   version, 1
//	2   length of it all in bytes
//	8   key id
//	32  key
//	2   port
//	1+n client name, n before it
//	1   number of addresses, 1 to 8, or 0 for a host name
//	    each address: 4 or 6, and its 4 or 16 bytes;
//	    the host name: n and its n bytes
//	4   the first bytes of a SHA-256 of all before
//
// There is one spelling for each content, so that two lines are equal where
// they say the same.
package pairing
