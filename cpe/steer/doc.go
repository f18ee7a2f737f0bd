// Package steer gives each flow the subflows that its mode wants, over which
// lines, and takes away those it does not want any more.
//
// It is the userspace path manager of the connections to concentrators (Linux
// 5.19, net.mptcp.pm_type = 1): they have no subflows but the first and those
// made here. The kernel's own path manager treats all connections alike: an
// endpoint gives a subflow to each of them, those of one packet and those
// parked included, which a metered line pays for. It is left in charge only
// where every flow is to use all lines (see docs/paths.md).
//
// Read steerer.go (when), plan.go (what a mode wants), record.go (how one flow
// gets there), load.go and overflow.go (whether a line is full).
package steer
