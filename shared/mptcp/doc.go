// Package mptcp opens and observes Multipath TCP connections (RFC 8684) on
// Linux, and steers the kernel's path manager.
//
// Sockets are created directly, because package net answers any failure of an
// MPTCP dial with a second, plain TCP dial. Here a dial is MPTCP or an error.
// The peer may still not speak MPTCP, or a middlebox may strip it: then the
// connection is plain TCP for its life, which [IsMPTCP] tells.
//
// Reading order: [Dialer] and [ListenConfig] make connections, [IsMPTCP],
// [SynDataAcked], [Inspect] and [Subflows] look at one, [WaitEstablished] and
// [Reset] steer one, [PathManager] rules over all of a network namespace.
//
// Sockets belong to the network namespace of the calling thread at the time
// of the call.
package mptcp
