package main

import (
	"context"
	"sync"

	"tandem/cpe/intercept"
	"tandem/cpe/nfnetlink"
	"tandem/cpe/ruleset"
	"tandem/shared/nocmp"
)

// hold is the queue in which SYNs wait under accept=faithful.
type hold struct {
	_       nocmp.Field
	queue   *nfnetlink.Queue // nil: closed
	mode    ruleset.Mode     // the rules by which they get there, Hold or HoldByRule
	missing bool             // this kernel has neither
	reader  sync.WaitGroup
}

// installHold is install for accept=faithful. Where the kernel has no queue it
// says so once, and connections are accepted early.
func (i *interception) installHold(ctx context.Context, s *settings) error {
	if !i.hold.missing {
		err := i.tryHold(ctx, s)
		if err == nil {
			return nil
		}
		i.hold.missing = true
		i.hold.close()
		i.log.Warn("accept=faithful is not possible, connections are accepted early", "hint", "install kmod-nft-queue, then restart", "err", err)
	}
	return i.nft.Apply(ctx, ruleset.Render(s.config, s.facts, ruleset.Intercept))
}

// tryHold opens the queue before rules lead there.
func (i *interception) tryHold(ctx context.Context, s *settings) error {
	if i.hold.queue == nil {
		// The daemon decides at once about more than may wait.
		queue, err := nfnetlink.OpenQueue(s.config.Port, 4*heldMost, intercept.SYNBytes)
		if err != nil {
			return err
		}
		i.hold.queue, i.hold.mode = queue, ruleset.Hold
		i.hold.reader.Add(1)
		go func() {
			defer i.hold.reader.Done()
			if err := i.proxy.readQueue(i.setups, queue); err != nil {
				i.log.Error("the queue of held SYNs broke: connections go direct", "err", err)
				_ = queue.Close()
			}
		}()
	}
	if i.hold.mode == ruleset.Hold {
		err := i.nft.Apply(ctx, ruleset.Render(s.config, s.facts, ruleset.Hold))
		if err == nil {
			return nil
		}
		i.log.Debug("nftables has no queue, x_tables may", "err", err)
		i.hold.mode = ruleset.HoldByRule
	}
	if err := i.nft.Apply(ctx, ruleset.Render(s.config, s.facts, ruleset.HoldByRule)); err != nil {
		return err
	}
	return ruleset.AddQueueRule(s.config.Port)
}

// accepts is the value of option accept in force.
func (i *interception) accepts() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.hold.queue != nil {
		return "faithful"
	}
	return "early"
}

// close lets the kernel drop what waits, and what comes pass.
func (h *hold) close() {
	if h.queue == nil {
		return
	}
	_ = h.queue.Close()
	h.reader.Wait()
	h.queue = nil
}
