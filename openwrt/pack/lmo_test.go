package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// testdata/tandem.lmo was made by LuCI's po2lmo (luci-base of March 2026).
func TestLMO(t *testing.T) {
	po, err := os.ReadFile("testdata/tandem.po")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/tandem.lmo")
	if err != nil {
		t.Fatal(err)
	}
	got, err := lmo(string(po))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

func TestLMOSkips(t *testing.T) {
	empty, err := lmo("# only a comment\n\n#, fuzzy\nmsgid \"a\"\nmsgstr \"guess\"\n\nmsgid \"b\"\nmsgstr \"\"\n")
	if err != nil || len(empty) != 4 {
		t.Errorf("got %q, %v, want an index of nothing", empty, err)
	}
	if _, err := lmo("msgid \"a\nmsgstr \"b\"\n"); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("open quote: got %v", err)
	}
	if _, err := lmo("hello\n"); err == nil {
		t.Error("took something else for a translation")
	}
}
