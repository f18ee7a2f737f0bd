package logline

import (
	"bytes"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// The lines are those of log/slog.
func TestAsSlog(t *testing.T) {
	when := time.Date(2026, 11, 24, 6, 7, 8, 9_999_999, time.FixedZone("", 3600))
	type pair struct {
		A int
		b string
	}
	for _, args := range [][]any{
		nil,
		{"k", "v"},
		{"k", ""},
		{"a b", "c d", "eq", "x=y", "quote", `it's "so"`, "line", "a\nb", "tab", "\t", "not utf-8", "\xff", "ü", "größe", "\u200b", "\u200b", "r", "\ufffd"},
		{"int", -1, "uint", uint16(7), "float", 1.5, "bool", true, "nil", nil},
		{"err", errors.New("no such file"), "span", 1500 * time.Millisecond, "when", when},
		{"addr", netip.MustParseAddr("2001:db8::1"), "addrs", []netip.Addr{netip.MustParseAddr("192.0.2.1")}, "pair", pair{1, "x"}, "pointer", &pair{2, "y"}},
		{"odd"},
		{"k", 1, 5},
		{7, "k", "v"},
	} {
		for _, level := range []Level{Debug, Info, Warn, Error} {
			var ours, theirs bytes.Buffer
			l := New(&ours)
			l.SetLevel(Debug)
			l.to.now = func() time.Time { return when }
			l.With("with", "it all").line(level, "some words", args)
			s := slog.New(slog.NewTextHandler(&theirs, &slog.HandlerOptions{Level: slog.LevelDebug,
				ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
					if a.Key == slog.TimeKey {
						a.Value = slog.TimeValue(when)
					}
					return a
				}}))
			s.With("with", "it all").Log(t.Context(), slog.Level(level), "some words", args...)
			if ours.String() != theirs.String() {
				t.Errorf("got  %swant %s", ours.String(), theirs.String())
			}
		}
	}
}

func TestLevel(t *testing.T) {
	var out bytes.Buffer
	l := New(&out)
	child := l.With("a", 1)
	child.Debug("hidden")
	l.SetLevel(Warn)
	child.Info("hidden too")
	child.Warn("shown")
	if got := out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, " level=WARN msg=shown a=1\n") {
		t.Errorf("got %q", got)
	}
}

type fragile struct{ n int }

func (f *fragile) String() string               { return string(rune(f.n)) }
func (f *fragile) MarshalText() ([]byte, error) { return []byte{byte(f.n)}, nil }

func TestNilPointer(t *testing.T) {
	var out bytes.Buffer
	New(&out).Info("x", "v", (*fragile)(nil), "w", 1)
	if !strings.HasSuffix(out.String(), " v=!PANIC w=1\n") {
		t.Errorf("got %q", out.String())
	}
}

func TestLinesAreWhole(t *testing.T) {
	var out bytes.Buffer
	l := New(&out)
	var wg sync.WaitGroup
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 100 {
				l.With("k", "v").Info("line", "n", 1)
			}
		}()
	}
	wg.Wait()
	for _, line := range strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n") {
		if !strings.HasPrefix(line, "time=") || !strings.HasSuffix(line, " level=INFO msg=line k=v n=1") {
			t.Fatalf("got %q", line)
		}
	}
}
