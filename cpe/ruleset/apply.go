package ruleset

import (
	"context"
	"errors"

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
