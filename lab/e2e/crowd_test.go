package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"tandem/lab/house"
)

// crowd keeps a number of connections going and checks all that they carry.
type crowd struct {
	chaos *chaos
	live  int
	seed  uint64
	stop  chan struct{}
	wg    sync.WaitGroup

	mu     sync.Mutex
	ended  int
	good   map[string]int // by kind
	broken map[string]int // by excuse
	wrong  []string       // corrupt, stuck, or broken without one
	worst  time.Duration
}

func newCrowd(c *chaos, live int, seed uint64) *crowd {
	return &crowd{chaos: c, live: live, seed: seed, stop: make(chan struct{}), good: map[string]int{}, broken: map[string]int{}}
}

func (w *crowd) start(ctx context.Context) {
	for i := range w.live {
		rng := rand.New(rand.NewPCG(w.seed, uint64(i)+1))
		w.wg.Add(1)
		go func() {
			defer w.wg.Done()
			for {
				select {
				case <-w.stop:
					return
				case <-ctx.Done():
					return
				default:
					w.one(ctx, rng)
				}
			}
		}()
	}
}

// logSockets logs what both kernels have of the connections between them.
func logSockets(t *testing.T, h *house.House) {
	t.Helper()
	ctx := within(t, 20*time.Second)
	t.Log(run(t, ctx, h.Host("cpe"), "sh", "-c", "ss -Mnai; ss -tnai 'dport = :5124'; ip mptcp endpoint; nstat -az 'MPT*'"))
	t.Log(run(t, ctx, h.Host("core"), "sh", "-c", "ss -Mnai; ss -tnai 'sport = :5124'"))
}

// finished is how many connections have ended, either way.
func (w *crowd) finished() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ended
}

// stuck is how long a connection may take in all. It carries what takes a few
// seconds, and is without a line for a few more.
const stuck = 90 * time.Second

// errCorrupt says that a byte was wrong.
var errCorrupt = errors.New("wrong bytes")

// one opens a connection, carries something over it and judges how it ended.
func (w *crowd) one(ctx context.Context, rng *rand.Rand) {
	kind := []string{"download", "upload", "talk"}[rng.IntN(3)]
	addr := []string{house.Server4, house.Server6}[rng.IntN(2)]
	size := int64(20_000 + rng.IntN(600_000))
	words := 5 + rng.IntN(40)
	ctx, cancel := context.WithTimeout(ctx, stuck)
	defer cancel()
	begin := time.Now()
	var err error
	switch kind {
	case "download":
		err = w.chaos.Download(ctx, "", addr, size)
	case "upload":
		err = w.chaos.Upload(ctx, "", addr, size)
	case "talk":
		err = w.talk(ctx, rng, addr, words)
	}
	if err != nil && strings.Contains(err.Error(), "SHA-256") {
		err = fmt.Errorf("%w: %v", errCorrupt, err)
	}
	w.judge(kind, begin, time.Now(), err)
	if err != nil {
		select { // whoever is refused does not ask again at once
		case <-w.stop:
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// talk sends random words to the echo server and compares what comes back.
func (w *crowd) talk(ctx context.Context, rng *rand.Rand, addr string, words int) error {
	c, err := w.chaos.DialFrom(ctx, "", addr, house.EchoPort)
	if err != nil {
		return err
	}
	defer c.Close()
	deadline, _ := ctx.Deadline()
	_ = c.SetDeadline(deadline)
	for range words {
		word := make([]byte, 1+rng.IntN(16<<10))
		for i := range word {
			word[i] = byte(rng.Uint32())
		}
		if _, err := c.Write(word); err != nil {
			return err
		}
		got := make([]byte, len(word))
		if _, err := io.ReadFull(c, got); err != nil {
			return err
		}
		if !bytes.Equal(got, word) {
			return errCorrupt
		}
		time.Sleep(time.Duration(rng.IntN(100)) * time.Millisecond) // the connection's own pace
	}
	return nil
}

func (w *crowd) judge(kind string, begin, end time.Time, err error) {
	excuse := w.chaos.excuse(begin, end)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended++
	w.worst = max(w.worst, end.Sub(begin))
	what := fmt.Sprintf("%7.3f to %.3f s: %s: %v", begin.Sub(w.chaos.begin).Seconds(), end.Sub(w.chaos.begin).Seconds(), kind, err)
	switch {
	case err == nil:
		w.good[kind]++
	case errors.Is(err, errCorrupt):
		w.wrong = append(w.wrong, "CORRUPT "+what)
	case errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded):
		w.wrong = append(w.wrong, "STUCK "+what+" ("+excuse+")")
	case excuse == "":
		w.wrong = append(w.wrong, "BROKEN "+what)
	default:
		w.broken[excuse]++
	}
}

// end waits for the connections that are under way and reports.
func (w *crowd) end(t *testing.T) {
	t.Helper()
	close(w.stop)
	done := make(chan struct{})
	go func() { w.wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		// Those have no reason any more to wait. What holds them?
		for _, f := range askFlows(t, w.chaos.House).Flows {
			t.Logf("still there: %+v", f)
		}
		logSockets(t, w.chaos.House)
		<-done
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	t.Logf("%d connections: good %v, broken %v, the longest took %v", w.ended, w.good, w.broken, w.worst.Round(time.Millisecond))
	said := w.chaos.CPE.Log.String()
	for _, what := range w.wrong {
		t.Error(what)
		// The error has the address of the LAN host's socket, the log what became
		// of it.
		if socket := regexp.MustCompile(`(192\.0\.2\.1\d|\[2001:db8:1::1\d\]):\d+`).FindString(what); socket != "" {
			for line := range strings.Lines(said) {
				if strings.Contains(line, socket) {
					t.Log(strings.TrimSpace(line))
				}
			}
		}
	}
	if n := strings.Count(said, "has lost its last line"); n > 0 {
		t.Logf("%d of those that broke had lost their last line", n)
	}
}
