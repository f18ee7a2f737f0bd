// Package policy says what becomes of one LAN flow. It repeats in Go what the
// nftables sets of package ruleset do in the kernel, because a flow accepted
// just before new rules took hold reaches the listener all the same. It also
// owns the list of ranges that are never intercepted, which ruleset renders.
package policy
