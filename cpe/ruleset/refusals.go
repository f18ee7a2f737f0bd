package ruleset

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"tandem/shared/nftables"
	"tandem/shared/nocmp"
)

// Refusal is how a destination turned a connection down.
type Refusal int

// The ways.
const (
	Reset       Refusal = iota // nobody listens there
	Unreachable                // no way there, or no answer
)

// refusalTime is how long a destination that refused is refused at the SYN:
// long enough for a program's second try to fail as it would without a proxy,
// and short enough that nobody notices when a server comes back.
const refusalTime = 6 * time.Second

// refusalsMost bounds each set; the kernel takes no more.
const refusalsMost = 4096

// leftTime is how long packets for a subflow that was left are answered with a
// reset, unless it is said again.
const leftTime = time.Minute

// Refusals lets the rules turn down what a server has just turned down. LAN
// hosts are accepted before their server is asked, so their first attempt ends
// with a reset after it seemed to succeed; the next ones see the truth at once.
//
// Elements go in by the batch, one run of nft at a time: a scan of closed ports
// costs no more than that. What comes while the queue is full is left out.
type Refusals struct {
	_   nocmp.Field
	NFT NFT

	queue chan refused
}

type refused struct {
	dst netip.AddrPort
	how Refusal
}

// left is the way of a refused that is the local end of a subflow.
const left Refusal = -1

// NewRefusals returns an empty one. Run must run.
func NewRefusals() *Refusals { return &Refusals{queue: make(chan refused, 256)} }

// Add notes a destination. It never waits.
func (r *Refusals) Add(dst netip.AddrPort, how Refusal) {
	select {
	case r.queue <- refused{dst, how}:
	default:
	}
}

// Left has the concentrator told by a reset that we have left the subflow with
// this local end, as soon as it sends something on it. It never waits.
//
// The kernel does not tell it so of a connection's first subflow: that goes on
// to take and acknowledge what comes and throws it away (__mptcp_close_ssk,
// Linux 6.12 and 6.18). And a concentrator's kernel goes on to use a subflow
// that was ended by FIN where a direction of the connection has ended too
// (__mptcp_close_subflow), so that nothing arrives any more.
func (r *Refusals) Left(local netip.AddrPort) { r.Add(local, left) }

// Run hands what was added to the kernel until ctx ends. report gets failures;
// they cost nothing but the truth of a second try.
func (r *Refusals) Run(ctx context.Context, report func(error)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case first := <-r.queue:
			batch := []refused{first}
			for len(r.queue) > 0 {
				batch = append(batch, <-r.queue)
			}
			if _, err := nftables.Run(ctx, r.NFT.Program, renderRefusals(batch), "-f", "-"); err != nil && ctx.Err() == nil {
				report(err)
			}
		}
	}
}

func renderRefusals(batch []refused) string {
	var b strings.Builder
	for _, one := range batch {
		addr, family := one.dst.Addr().Unmap(), "6"
		if addr.Is4() {
			family = "4"
		}
		name, lasts := "refused", refusalTime
		switch one.how {
		case Unreachable:
			name = "unreachable"
		case left:
			name, lasts = "left", leftTime
		}
		fmt.Fprintf(&b, "add element inet tandem %s%s { %s . %d timeout %ds }\n", name, family, addr.WithZone(""), one.dst.Port(), int(lasts.Seconds()))
	}
	return b.String()
}

// refusalRules answer SYNs to what refused a moment ago.
func refusalRules() string {
	var b strings.Builder
	for _, ip := range families() {
		fmt.Fprintf(&b, "\t\t%s daddr . tcp dport @refused%s counter name refused reject with tcp reset\n", ip.keyword, ip.number)
		fmt.Fprintf(&b, "\t\t%s daddr . tcp dport @unreachable%s counter name refused reject with %s\n", ip.keyword, ip.number, unreachable(ip))
	}
	return b.String()
}

// leftRules answer to what comes on subflows that were left.
func leftRules() string {
	var b strings.Builder
	for _, ip := range families() {
		fmt.Fprintf(&b, "\t\t%s saddr @concentrator%s tcp sport @concentrator_port %s daddr . tcp dport @left%s tcp flags & rst == 0 reject with tcp reset\n", ip.keyword, ip.number, ip.keyword, ip.number)
	}
	return b.String()
}

// unreachable is what connect() sees as EHOSTUNREACH.
func unreachable(ip family) string {
	if ip.number == "6" {
		return "icmpv6 type addr-unreachable"
	}
	return "icmp type host-unreachable"
}

// writeRefusalSets writes the sets that Refusals fills. A reload empties them.
func writeRefusalSets(b *strings.Builder) {
	for _, name := range []string{"refused", "unreachable", "left"} {
		for _, ip := range families() {
			fmt.Fprintf(b, "\tset %s%s {\n\t\ttype ipv%s_addr . inet_service\n\t\tsize %d\n\t\tflags timeout\n\t}\n\n", name, ip.number, ip.number, refusalsMost)
		}
	}
}
