// Package authorise decides who may use the concentrator and where they may
// go. It is pure: addresses and bytes in, a decision out.
//
// Reading order: who.go (source and cookie to client), cookie.go (computed
// cookies), where.go (destinations), spelling.go (IPv4 addresses inside IPv6
// ones), prefixes.go, refusal.go.
//
// Everything is built once from the configuration and never changes, so that a
// reload swaps a pointer. All of it is safe for concurrent use.
package authorise
