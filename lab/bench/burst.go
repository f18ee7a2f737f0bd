package bench

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tandem/lab/house"
)

// Burst is the outcome of many short connections.
type Burst struct {
	Connections int     `json:"connections"`
	Parallel    int     `json:"parallel"`
	Failed      int64   `json:"failed"`
	PerSecond   float64 `json:"per_second"`
	P50ms       float64 `json:"p50_ms"`
	P99ms       float64 `json:"p99_ms"`
	Worstms     float64 `json:"worst_ms"`
}

// burst makes n connections from source, so many at a time, each a byte there
// and one back.
func burst(ctx context.Context, h *house.House, source string, n, parallel int) (Burst, error) {
	times := make([]time.Duration, n)
	var next, failed atomic.Int64
	var firstErr atomic.Pointer[error]
	var wg sync.WaitGroup
	begin := time.Now()
	for range parallel {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := next.Add(1) - 1; i < int64(n) && ctx.Err() == nil; i = next.Add(1) - 1 {
				at := time.Now()
				if err := oneByte(ctx, h, source); err != nil {
					failed.Add(1)
					firstErr.CompareAndSwap(nil, &err)
				}
				times[i] = time.Since(at)
			}
		}()
	}
	wg.Wait()
	took := time.Since(begin)
	slices.Sort(times)
	s := Burst{
		Connections: n, Parallel: parallel, Failed: failed.Load(), PerSecond: float64(n) / took.Seconds(),
		P50ms: ms(times[n/2]), P99ms: ms(times[n*99/100]), Worstms: ms(times[n-1]),
	}
	if err := firstErr.Load(); err != nil {
		return s, fmt.Errorf("%d of %d short connections failed, the first: %w", s.Failed, n, *err)
	}
	return s, ctx.Err()
}

func oneByte(ctx context.Context, h *house.House, source string) error {
	c, err := h.DialFrom(ctx, source, house.Server4, house.OneBytePort)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	b := []byte{'x'}
	if _, err := c.Write(b); err != nil {
		return err
	}
	// Its end is not waited for: some peers pass a FIN on after seconds only.
	_, err = io.ReadFull(c, b)
	return err
}
