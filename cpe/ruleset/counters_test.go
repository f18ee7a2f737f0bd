package ruleset

import (
	"context"
	"regexp"
	"strconv"
	"strings"

	"tandem/shared/nftables"
)

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
