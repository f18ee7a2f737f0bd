package main

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"tandem/concentrator/clients"
	"tandem/concentrator/config"
	"tandem/concentrator/onpath"
	"tandem/concentrator/returnpath"
	"tandem/concentrator/source"
)

// readyToPreserve puts in place what clients with addresses of their own need,
// if there are any. It stays until the daemon ends, as connections need it.
func (d *concentrator) readyToPreserve(all []*clients.Client) {
	set := d.server.settings.Load()
	rules := source.Rules{Default: set.config.Connect.Source}
	foreign := rules.Foreign(&source.Client{}) && len(set.config.Connect.Preserve) > 0
	var routed []netip.Prefix
	for _, c := range all {
		if rules.Foreign(&source.Client{Mode: c.Source}) {
			foreign = true
			if c.Source != source.Prefix { // which lies before this host, not behind it
				routed = append(routed, c.Prefixes...)
			}
		}
	}
	if !foreign {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err, failed := d.server.returns.Install(ctx); failed {
		d.log.Error("servers cannot be dialled from addresses of clients: their connections are refused, and go direct", "err", err)
	}
	doubts := returnpath.Lacks(append(routed, set.config.Connect.Preserve...))
	if slices.Equal(doubts, d.doubts) {
		return
	}
	d.doubts = doubts
	for _, w := range doubts {
		d.log.Warn("address preservation: " + w)
	}
}

// cleanup takes away what a daemon that crashed has left.
func cleanup() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return returnpath.Remove(ctx)
}

// cleanupAll is cleanup where no other process serves, too.
func cleanupAll() error { return errors.Join(cleanup(), onpath.Remove()) }

// sourceLacks says what is missing for a client's source.
func sourceLacks(cfg *config.Config, c *clients.Client) (words []string) {
	mode := c.Source
	if mode == "" {
		mode = cfg.Connect.Source
	}
	if mode != source.Preserved {
		return nil
	}
	if len(c.Prefixes)+len(cfg.Connect.Preserve) == 0 {
		words = append(words, "nothing is preserved: give the client prefixes (--prefix), or list those of routers in the configuration, connect.preserve = [...]")
	}
	return append(words, returnpath.Lacks(c.Prefixes)...)
}
