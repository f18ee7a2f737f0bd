package e2e

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"tandem/lab/house"
)

// beside is what goes on beside a test until its end.
type beside struct {
	stop chan struct{}
	wg   sync.WaitGroup
}

func goesOn() *beside { return &beside{stop: make(chan struct{})} }

// again has n goroutines do something again and again, until the end or until
// it says that this was enough.
func (b *beside) again(n int, do func() (more bool)) {
	for range n {
		b.wg.Add(1)
		go func() {
			defer b.wg.Done()
			for !b.ended() && do() {
			}
		}()
	}
}

// talk opens n flows, each of which echoes a word now and then, from different
// moments on, and fails the test when one does not come back right.
func (b *beside) talk(t *testing.T, h *house.House, n int, pace time.Duration) {
	t.Helper()
	for i := range n {
		c := dial(t, h, []string{house.Server4, house.Server6}[i%2], house.EchoPort)
		b.wg.Add(1)
		go func() {
			defer b.wg.Done()
			wait := pace * time.Duration(i) / time.Duration(n)
			for word := 0; ; word++ {
				select {
				case <-b.stop:
					return
				case <-time.After(wait): // the flow's own pace
					wait = pace
				}
				if err := say(c, fmt.Sprintf("flow %d word %d\n", i, word)); err != nil {
					t.Errorf("flow %d: word %d: %v", i, word, err)
					return
				}
			}
		}()
	}
}

func (b *beside) ended() bool {
	select {
	case <-b.stop:
		return true
	default:
		return false
	}
}

// end tells all to stop, and waits for them.
func (b *beside) end() {
	close(b.stop)
	b.wg.Wait()
}

// say sends a line that the far end echoes.
func say(c net.Conn, line string) error {
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, line); err != nil {
		return err
	}
	got := make([]byte, len(line))
	if _, err := io.ReadFull(c, got); err != nil {
		return err
	}
	if string(got) != line {
		return fmt.Errorf("said %q, heard %q", line, got)
	}
	return nil
}
