// Package credential lets the two ends of a Convert connection prove who they
// are without a round trip: the client with a Credential TLV that ends its
// message, the converter with a Proof TLV that ends its answer. RFC 8803
// section 9 asks for such mutual authentication outside one administrative
// domain and leaves open how. docs/protocol.md shows the bytes.
//
//	    0        1        2        3
//	+--------+--------+--------+--------+
//	|   200  |   11   |Format 1| Flags 0|  Credential, 44 bytes
//	+--------+--------+--------+--------+
//	|           key id, 8 bytes         |
//	|    time, 8 bytes, Unix time in ms |
//	|           nonce, 8 bytes          |
//	|           tag, 16 bytes           |
//	+-----------------------------------+
//
//	+--------+--------+--------+--------+
//	|   201  |    5   |Format 1| Flags 0|  Proof, 20 bytes
//	+--------+--------+--------+--------+
//	|           tag, 16 bytes           |
//	+-----------------------------------+
//
// A tag is the first half of an HMAC-SHA-256 over all bytes of the message
// before it. Either direction has a key of its own, derived from the client's,
// so a Credential can never pass for a Proof. A Proof also covers the client's
// nonce.
//
// A converter judges the tag first, then the time, then the nonce: nothing a
// stranger sends is remembered, and only who has the key learns that its clock
// is wrong (Error 192). Each credential is accepted once, also across restarts
// of the converter (snapshot.go).
//
// What is not authenticated: the user data behind the message, and that the
// connection is the one the client opened. Who sits on the path can take a
// credential out of a connection that it cuts off and use it once itself, for
// the same destination. What the credential protects is the converter.
//
// Reading order: types.go, key.go and identity.go (the keys made ready), mac.go,
// signer.go (client), verifier.go (converter), clock.go, cache.go, snapshot.go.
package credential
