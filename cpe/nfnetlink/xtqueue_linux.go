package nfnetlink

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// of linux/netfilter/nfnetlink.h and nf_tables.h
const (
	batchBegin, batchEnd = 0x10, 0x11
	msgNewRule           = 6

	ruleTable, ruleChain, ruleExpressions  = 1, 2, 4
	listElement                            = 1
	expressionName, expressionData         = 1, 2
	targetName, targetRevision, targetInfo = 1, 2, 3
)

// AddXTQueue appends to a chain of family inet the rule that sends every
// packet to a queue, and lets it pass while nobody listens there. It does what
// "queue flags bypass to NUMBER" does, by the target NFQUEUE of x_tables, for
// kernels whose nftables have no queue (nft_compat, xt_NFQUEUE). nft shows
// such rules and cannot write them.
func AddXTQueue(table, chain string, number uint16) error {
	s, err := open()
	if err != nil {
		return err
	}
	defer s.file.Close()
	// struct xt_NFQ_info_v3: the first queue, how many, flags (bypass).
	info := binary.NativeEndian.AppendUint16(nil, number)
	info = binary.NativeEndian.AppendUint16(info, 1)
	info = binary.NativeEndian.AppendUint16(info, 1)
	target := attrs(nil).text(targetName, "NFQUEUE").uint32(targetRevision, 3).add(targetInfo, info)
	expression := attrs(nil).text(expressionName, "target").nested(expressionData, target)
	rule := attrs(nil).text(ruleTable, table).text(ruleChain, chain).
		nested(ruleExpressions, attrs(nil).nested(listElement, expression))
	_, err = s.ask(
		message{kind: batchBegin, resource: subsysTables},
		message{kind: subsysTables<<8 | msgNewRule, flags: unix.NLM_F_CREATE | unix.NLM_F_APPEND | unix.NLM_F_ACK, family: unix.NFPROTO_INET, attrs: rule},
		message{kind: batchEnd, resource: subsysTables},
	)
	if err != nil {
		return fmt.Errorf("x_tables target NFQUEUE: %w", err)
	}
	return nil
}
