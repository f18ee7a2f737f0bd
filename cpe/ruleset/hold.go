package ruleset

import (
	"fmt"
	"strings"
)

// What the daemon decided about a held SYN, as the mark with which it goes on.
// All take both bits' place, and none is the mark of delivery: a SYN let in is
// not on its way to the listener before tproxy has found that there is one.
const (
	markLetIn       = MarkMask
	markRefused     = 0x20000000
	markUnreachable = 0x10000000
)

// queueChain is the chain whose last rule sends a SYN to the queue.
const queueChain = "relay"

// LetIn returns the mark of a SYN that is to be accepted; mark is what it had.
func LetIn(mark uint32) uint32 { return mark&^MarkMask | markLetIn }

// LetPass returns the mark of a SYN that is to be routed.
func LetPass(mark uint32) uint32 { return mark &^ MarkMask }

// TurnDown returns the mark of a SYN that is to be refused.
func TurnDown(mark uint32, how Refusal) uint32 {
	if how == Unreachable {
		return mark&^MarkMask | markUnreachable
	}
	return mark&^MarkMask | markRefused
}

// holdChains look at SYNs one chain before the one that intercepts: a packet
// comes back from a queue at the next chain, and so it does when nobody listens
// to the queue. There, without a mark, it is routed.
func holdChains(port uint16) string {
	return fmt.Sprintf(`	chain hold {
		type filter hook prerouting priority mangle - 1; policy accept;
		iifname != @lan return
		meta l4proto != tcp return
		tcp flags & (fin | syn | rst | ack) == syn goto opening
	}

	chain decided {
%s	}

`, decidedRules(port))
}

// queueRules stand where relayRules would.
func queueRules(port uint16, mode Mode) string {
	rules := refusalRules() + fmt.Sprintf("\t\tmeta mark set meta mark & %#x\n", 0xffffffff^uint32(MarkMask))
	if mode == Hold {
		rules += fmt.Sprintf("\t\tqueue flags bypass to %d\n", port)
	}
	return rules
}

// decidedRules carry out what the daemon decided.
func decidedRules(port uint16) string {
	var b strings.Builder
	verdict := func(mark uint32, match, what string) {
		fmt.Fprintf(&b, "\t\tmeta mark & %#x == %#x %s%s\n", MarkMask, mark, match, what)
	}
	verdict(markRefused, "", "counter name refused reject with tcp reset")
	for _, ip := range families() {
		verdict(markUnreachable, "meta nfproto ipv"+ip.number+" ", "counter name refused reject with "+unreachable(ip))
	}
	verdict(markLetIn, unproven, fmt.Sprintf("meta mark set meta mark & %#x return", 0xffffffff^uint32(MarkMask)))
	for _, ip := range families() {
		verdict(markLetIn, "meta nfproto ipv"+ip.number+" ", tproxy(ip, port))
	}
	return b.String()
}
