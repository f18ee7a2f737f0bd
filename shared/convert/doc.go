// Package convert is the wire format of the 0-RTT TCP Convert Protocol
// (RFC 8803): bytes to Message and back. It never touches a socket.
//
// A message stands at the very start of the bytestream, in either direction,
// before any user byte. All numbers are in network order, all lengths in
// 32-bit words:
//
//	 0        1        2        3
//	+--------+--------+--------+--------+
//	| Version| Total  |  Magic 0x2263   |  HeaderLen bytes
//	|   = 1  | Length |                 |
//	+--------+--------+--------+--------+
//	|  Type  | Length |  Value, padded  |  one TLV: Length counts Type,
//	+--------+--------+  with zeros     |  Length and Value
//	|                 ...               |
//	+--------+--------+--------+--------+
//	|  user data, from byte 4 * Total Length on
//
// Limits: a message has at most MaxMessage bytes (Total Length is one byte)
// and at most MaxPrivate private TLVs, the one limit that is ours and not the
// RFC's. What Parse keeps aliases its input; it allocates nothing but the
// Private slice, and that once per Message.
//
// Padding cannot be told from content on the wire. Hence values read are as
// long as their TLV: a Cookie has 4*k bytes, a private value 4*k-2, an Error
// value 4*k-3. Only Supported and Connect.Options lose their padding, as a
// zero means nothing there. Reserved zero bytes are written as zero and
// ignored when read.
//
// Reading order: types.go, message.go (Parse), append.go, then one file per
// TLV with rules of its own (connect.go, options.go, error.go), syntax.go for
// what a bad message is answered with, read.go for the bounded read.
package convert
