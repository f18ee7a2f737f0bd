package main

import (
	"strings"
	"testing"
)

func TestTop(t *testing.T) {
	before := []clientState{{Name: "a", Up: 1_000_000}, {Name: "b"}}
	now := []clientState{
		{Name: "a", Up: 1_000_000, Down: 250_000, Open: 3},
		{Name: "b", Up: 2_500_000_000},
		{Name: "c", Open: 1},
		{Name: "new month", Up: 5},
	}
	got := renderTop(append(before, clientState{Name: "new month", Up: 9}), now, 2)
	want := []string{
		"CLIENT OPEN UP Mbit/s DOWN Mbit/s UP THIS MONTH DOWN THIS MONTH",
		"b 0 10000.00 0.00 2.5 GB 0 B",
		"a 3 0.00 1.00 1.0 MB 250.0 kB",
		"c 1 0.00 0.00 0 B 0 B",
		"new month 0 0.00 0.00 5 B 0 B",
	}
	lines := strings.Split(strings.TrimSpace(got), "\n")
	if len(lines) != len(want) {
		t.Fatalf("got\n%s", got)
	}
	for i, l := range lines {
		if l := strings.Join(strings.Fields(l), " "); l != want[i] {
			t.Errorf("line %d: %q, want %q", i, l, want[i])
		}
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 123_456_789: "123.5 MB", 5e15: "5000.0 TB"} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
}
