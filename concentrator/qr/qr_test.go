package qr

import (
	"fmt"
	"strings"
	"testing"
)

const line = "tandem://AQBNoKGio6SlpqcAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHxQEO3GBGhvbWUCBMsAcQUGIAENuAAAAAAAAAAAAAAABeZF8-oZmU"

// picture is the modules of a code as drawn, without the border, true for
// black.
func picture(t *testing.T, drawn string) [][]bool {
	t.Helper()
	var rows [][]bool
	for text := range strings.Lines(drawn) {
		text, ok := strings.CutPrefix(text, blackOnWhite)
		text, ok2 := strings.CutSuffix(text, reset+"\n")
		if !ok || !ok2 {
			t.Fatalf("row %q does not set its colours", text)
		}
		var upper, lower []bool
		for _, r := range text {
			switch r {
			case ' ', '▀', '▄', '█':
			default:
				t.Fatalf("character %q", r)
			}
			upper, lower = append(upper, r == '▀' || r == '█'), append(lower, r == '▄' || r == '█')
		}
		rows = append(rows, upper, lower)
	}
	// The size is odd, so there is half a row too many.
	size := len(rows) - 2*quiet - 1
	for y, row := range rows {
		if len(row) != size+2*quiet {
			t.Fatalf("row %d has %d columns, want %d", y, len(row), size+2*quiet)
		}
		for x, black := range row {
			if black && (min(x, y) < quiet || max(x, y) >= size+quiet) {
				t.Fatalf("border is black at %d, %d", x, y)
			}
		}
	}
	rows = rows[quiet : quiet+size]
	for y := range rows {
		rows[y] = rows[y][quiet : quiet+size]
	}
	return rows
}

func TestReadBack(t *testing.T) {
	for n := 1; n < 860; n += 1 + n/50 {
		var text strings.Builder
		for i := range n {
			fmt.Fprintf(&text, "%c", 'a'+(i*i+n)%26)
		}
		check(t, text.String())
	}
	check(t, line)
}

func check(t *testing.T, text string) {
	t.Helper()
	drawn, err := Terminal(text)
	if err != nil {
		t.Fatal(err)
	}
	got, err := read(picture(t, drawn))
	if err != nil || got != text {
		t.Errorf("%d bytes: read %q, %v, want %q", len(text), got, err, text)
	}
}

func TestSize(t *testing.T) {
	drawn, err := Terminal(line)
	if err != nil {
		t.Fatal(err)
	}
	if rows, columns := strings.Count(drawn, "\n"), len(picture(t, drawn))+2*quiet; rows != 25 || columns != 49 {
		t.Errorf("%d columns, %d rows", columns, rows)
	}
}

func TestTooLong(t *testing.T) {
	if _, err := Terminal(strings.Repeat("x", 2953)); err != nil {
		t.Errorf("the longest: %v", err)
	}
	if drawn, err := Terminal(strings.Repeat("x", 2954)); err == nil || drawn != "" {
		t.Errorf("too long: %v", err)
	}
}
