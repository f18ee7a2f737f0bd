package ruleset

import "tandem/shared/localdelivery"

// The policy routing that delivers marked packets to local sockets.
const (
	RoutingTable = 5125
	// RulePriority is ahead of mwan3's rules (1001 to 3254), which would send
	// packets out that both have marked.
	RulePriority = 512
)

// Routing delivers packets marked MarkDeliver.
func Routing() localdelivery.Delivery {
	return localdelivery.Delivery{Table: RoutingTable, Priority: RulePriority, Mark: MarkDeliver, Mask: MarkMask}
}
