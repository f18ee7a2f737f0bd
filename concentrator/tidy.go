package main

import (
	"context"
	"runtime/debug"
	"time"
)

// tidy gives memory back to the system after a busy time, until ctx ends. The
// runtime keeps what an attack took for minutes, in case there is another.
func (s *server) tidy(ctx context.Context) error {
	const (
		look  = 5 * time.Second
		idle  = time.Minute // between looks while nobody connects
		busy  = 200         // connections since the last time, for it to be worth a collection
		quiet = 50          // connections in one look: the collection disturbs nobody
	)
	wait := look
	tick := time.NewTimer(wait)
	defer tick.Stop()
	var done, before int64
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := s.counters.accepted.Load()
		if now-before < quiet && now-done > busy {
			debug.FreeOSMemory()
			done = now
		}
		if wait = look; now == before {
			wait = idle
		}
		tick.Reset(wait)
		before = now
	}
}
