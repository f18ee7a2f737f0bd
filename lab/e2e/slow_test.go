package e2e

import (
	"context"
	"testing"
	"time"

	"tandem/lab/house"
)

// sayWhySlow logs the sockets of both daemons' hosts every few seconds of a
// transfer that should have ended after a time, until the returned function is
// called: what a connection waits for is not to be seen afterwards.
func sayWhySlow(t *testing.T, ctx context.Context, h *house.House, after time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for wait := after; ; wait = 4 * time.Second {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
			for _, host := range []string{"cpe", "core"} {
				for _, args := range [][]string{
					{"ss", "-tinmHO", "( sport = 5124 or dport = 5124 or sport = 2222 or dport = 22 )"},
					{"ss", "-MinmHO"}, {"nstat", "-asz", "MPTcp*", "TcpRetransSegs"},
				} {
					out, err := h.Host(host).Run(ctx, args[0], args[1:]...)
					if err != nil && ctx.Err() != nil {
						return
					}
					t.Logf("slow: %s: %v:\n%s", host, args, out)
				}
			}
		}
	}()
	return func() { cancel(); <-ended }
}
