package ratelog

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// clock is a time that only the test moves.
type clock struct{ at time.Time }

func (c *clock) now() time.Time          { return c.at }
func (c *clock) forward(d time.Duration) { c.at = c.at.Add(d) }

func newLogger(keys int) (*Logger[string], *clock, *bytes.Buffer) {
	var out bytes.Buffer
	c := &clock{at: time.Unix(1_800_000_000, 0)}
	h := slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
			return slog.Attr{}
		}
		return a
	}})
	return &Logger[string]{Log: slog.New(h), Keys: keys, Now: c.now}, c, &out
}

func lines(out *bytes.Buffer) []string {
	s := strings.TrimSuffix(out.String(), "\n")
	out.Reset()
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}

func TestOneLinePerKeyAndSecond(t *testing.T) {
	l, c, out := newLogger(0)
	for range 5 {
		l.Line(slog.LevelInfo, "a", "garbage", "source", "a")
	}
	l.Line(slog.LevelInfo, "b", "garbage", "source", "b")
	c.forward(999 * time.Millisecond)
	l.Line(slog.LevelInfo, "a", "garbage", "source", "a")
	if diff := cmp.Diff([]string{"msg=garbage source=a", "msg=garbage source=b"}, lines(out)); diff != "" {
		t.Errorf("first second (-want +got):\n%s", diff)
	}
	c.forward(time.Millisecond)
	l.Line(slog.LevelInfo, "a", "garbage", "source", "a")
	l.Line(slog.LevelInfo, "a", "garbage", "source", "a")
	c.forward(time.Second)
	l.Line(slog.LevelInfo, "a", "garbage", "source", "a")
	c.forward(time.Second)
	l.Line(slog.LevelInfo, "a", "garbage", "source", "a")
	want := []string{
		"msg=garbage source=a suppressed=5",
		"msg=garbage source=a suppressed=1",
		"msg=garbage source=a",
	}
	if diff := cmp.Diff(want, lines(out)); diff != "" {
		t.Errorf("later (-want +got):\n%s", diff)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	l, c, out := newLogger(3)
	for i := range 10_000 {
		l.Line(slog.LevelInfo, fmt.Sprint(i), "x")
		l.Line(slog.LevelInfo, fmt.Sprint(i), "x")
	}
	if got := len(lines(out)); got != 3 {
		t.Errorf("%d lines in one second, want 3", got)
	}
	if len(l.byKey) != 3 || l.oldest.Len() != 3 {
		t.Errorf("%d and %d keys remembered, want 3", len(l.byKey), l.oldest.Len())
	}
	c.forward(time.Second)
	l.Line(slog.LevelInfo, "2", "x")   // known: now the youngest
	l.Line(slog.LevelInfo, "new", "x") // takes the place of "0"
	l.Line(slog.LevelInfo, "0", "x")   // takes the place of "1"
	l.Line(slog.LevelInfo, "1", "x")   // no place is free
	c.forward(time.Second)
	l.Line(slog.LevelInfo, "1", "x")
	want := []string{
		"msg=x suppressed=1 suppressed_others=19994",
		"msg=x suppressed_others=1", // what was counted for "0"
		"msg=x suppressed_others=1",
		"msg=x suppressed_others=1",
	}
	if diff := cmp.Diff(want, lines(out)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLevel(t *testing.T) {
	l, _, out := newLogger(0)
	l.Line(slog.LevelDebug, "a", "hidden")
	l.Line(slog.LevelInfo, "a", "shown")
	if diff := cmp.Diff([]string{"msg=shown"}, lines(out)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCallersArgsAreLeftAlone(t *testing.T) {
	l, c, out := newLogger(0)
	args := append(make([]any, 0, 8), "k", 1)
	for range 2 {
		l.Line(slog.LevelInfo, "a", "x", args...)
	}
	c.forward(time.Second)
	l.Line(slog.LevelInfo, "a", "x", args...)
	if got := args[:3][2]; got != nil {
		t.Errorf("wrote %v into the caller's array", got)
	}
	if diff := cmp.Diff([]string{"msg=x k=1", "msg=x k=1 suppressed=1"}, lines(out)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestConcurrent(t *testing.T) {
	l, _, out := newLogger(8)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for j := range 1000 {
				l.Line(slog.LevelInfo, fmt.Sprint((i+j)%8), "x")
			}
		}()
	}
	wg.Wait()
	if got := len(lines(out)); got != 8 {
		t.Errorf("%d lines, want 8", got)
	}
}

func BenchmarkSuppressed(b *testing.B) {
	l := &Logger[[16]byte]{Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Interval: time.Hour}
	b.ReportAllocs()
	for b.Loop() {
		l.Line(slog.LevelInfo, [16]byte{}, "x")
	}
}
