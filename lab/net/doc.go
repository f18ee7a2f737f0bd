// Package labnet builds a dual-WAN network out of network namespaces on one
// machine, with links that have a real rate, delay, jitter, queue and loss.
//
//	lan ──── cpe ══ dsl, lte, wan3… ══ core ──── net
//	LAN      home                      concen-   servers
//	host     router                    trator
//
// Every host is a named namespace (NAME-lan, NAME-cpe, …), so that
// "ip netns exec" works on it. Nothing outside these namespaces is changed:
// no sysctl, route, rule or firewall of the machine itself.
//
// The kernel this runs on needs no netem: each emulated link is a pair of TUN
// devices and a thread, in a process started for them.
//
// Reading order: spec.go (what can be asked for), plan.go (what that means on
// each host), lab.go (Up and Down), linkprocess.go, pipe.go and schedule.go (a link's clock).
// It needs Linux, root, iproute2 and nftables.
package labnet
