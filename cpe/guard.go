package main

import (
	"context"
	"time"

	"tandem/cpe/nfnetlink"
	"tandem/cpe/ruleset"
)

// restoreAtMost is how often rules are put back: who deletes them again and
// again is not answered in kind.
const restoreAtMost = time.Second

// guard puts the rules back when another program has deleted them, as
// "service firewall stop" and "nft flush ruleset" do: it would go unnoticed, as
// the LAN is routed then. When a firewall has been loaded it installs them anew,
// for what was proved of the former one. It ends with ctx; the returned function
// waits for that.
func (i *interception) guard(ctx context.Context) (wait func()) {
	watch, err := nfnetlink.WatchTable(ruleset.Table)
	if err != nil {
		i.log.Warn("nftables rules that another program deletes will be missing until a reload", "err", err)
		return func() {}
	}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { watch.Close() })
	go func() {
		defer close(done)
		defer stop()
		for {
			firewall, err := watch.Wait()
			if err != nil || !i.restore(ctx, firewall) {
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(restoreAtMost):
			}
		}
	}()
	return func() { <-done }
}

// restore installs the rules in force if they are not there or are to be
// renewed; false at the end.
func (i *interception) restore(ctx context.Context, renew bool) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if ctx.Err() != nil {
		return false
	}
	there, err := nfnetlink.TableExists(ruleset.Table)
	if err == nil && (renew || !there) {
		err = i.install(i.inForce, i.full)
	}
	switch {
	case err != nil:
		i.log.Error("the nftables rules cannot be renewed", "err", err)
	case !there:
		i.log.Warn("another program had deleted the nftables rules: they are back")
	}
	return true
}
