package ruleset

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"tandem/cpe/nfnetlink"
	"tandem/shared/nftables"
)

// Table is the name of our table, of family inet.
const Table = "tandem"

// NFT runs the nft program. The zero value finds it by itself.
type NFT struct {
	Program string // path; "" looks where programs are, see program.Find
}

// Apply installs text, which Render made, in place of what was there: in one
// transaction, so each packet sees the old rules or the new, and an error
// leaves the old ones. Counters begin at zero. The error says what the kernel
// lacks, if that is why.
func (n NFT) Apply(ctx context.Context, text string) error {
	_, err := nftables.Run(ctx, n.Program, text, "-f", "-")
	if err != nil && !errors.Is(err, nftables.ErrMissing) {
		if lacks := n.lacking(ctx); lacks != "" {
			return errors.New(lacks)
		}
	}
	return err
}

// AddQueueRule completes what Render made for HoldByRule, on kernels whose
// nftables have no queue.
func AddQueueRule(port uint16) error { return nfnetlink.AddXTQueue(Table, queueChain, port) }

// Remove deletes the table. That there is none is no error. ("destroy" would
// say the same, but nft before 1.0.7 does not know it.)
func (n NFT) Remove(ctx context.Context) error {
	return n.Apply(ctx, "table inet tandem\ndelete table inet tandem\n")
}

// Counter is a named counter of the table.
type Counter struct {
	Packets, Bytes uint64
}

// Counters is what the rules count, since they were applied.
type Counters struct {
	Intercepted Counter // SYNs handed to the listener
	Bypassed    Counter // SYNs from the LAN that a bypass set matched
	Unmarked    Counter // packets of this host to a concentrator without MarkOwn: must stay 0
}

// Counters reads them; all are zero if there is no table.
func (n NFT) Counters(ctx context.Context) (Counters, error) {
	text, err := nftables.Run(ctx, n.Program, "", "list", "counters", "table", "inet", Table)
	if err != nil {
		if strings.Contains(err.Error(), "No such file or directory") {
			return Counters{}, nil
		}
		return Counters{}, err
	}
	return parseCounters(text), nil
}

func parseCounters(text string) Counters {
	var c Counters
	into := map[string]*Counter{"intercepted": &c.Intercepted, "bypassed": &c.Bypassed, "unmarked": &c.Unmarked}
	pattern := regexp.MustCompile(`counter (\w+) \{\s*packets (\d+) bytes (\d+)`)
	for _, m := range pattern.FindAllStringSubmatch(text, -1) {
		if to := into[m[1]]; to != nil {
			to.Packets, _ = strconv.ParseUint(m[2], 10, 64)
			to.Bytes, _ = strconv.ParseUint(m[3], 10, 64)
		}
	}
	return c
}
