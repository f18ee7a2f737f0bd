package program

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestRun(t *testing.T) {
	large := strings.Repeat("0123456789abcdef", 1<<16) // more than pipes hold
	for _, test := range []struct {
		name, input, script     string
		output, complaints, err string
	}{
		{"nothing", "", "true", "", "", ""},
		{"input", "text\n", "cat", "text\n", "", ""},
		{"much", large, "cat; cat /dev/fd/1 >/dev/null", large, "", ""},
		{"both", "", "echo out; echo err >&2", "out\n", "err\n", ""},
		{"status", "", "echo out; echo err >&2; exit 3", "out\n", "err\n", "exit status 3"},
		{"signal", "", "kill -9 $$", "", "", "signal: killed"},
		{"left behind", "", "sleep 60 & echo out", "out\n", "", ""},
		{"arguments", "", `echo "$0|$1"`, "a b|$c\n", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			output, complaints, err := Run(context.Background(), test.input, "sh", "-c", test.script, "a b", "$c")
			if output != test.output || complaints != test.complaints {
				t.Errorf("output %.100q and %.100q, want %.100q and %.100q", output, complaints, test.output, test.complaints)
			}
			if got := errorText(err); got != test.err {
				t.Errorf("error %q, want %q", got, test.err)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestKilled(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	begun := time.Now()
	if _, _, err := Run(ctx, "", "sleep", "60"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if took := time.Since(begun); took > 50*time.Second {
		t.Errorf("ended after %s", took)
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"tool": 0o755, "text": 0o644} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", "/nonexistent:"+dir)
	if got, err := Find("tool"); err != nil || got != filepath.Join(dir, "tool") {
		t.Errorf("tool: %q, %v", got, err)
	}
	for _, name := range []string{"folder", "none"} {
		if got, err := Find(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for _, paths := range []string{"", "/nonexistent"} { // as in procd's jail
		t.Setenv("PATH", paths)
		if got, err := Find("sh"); err != nil || !filepath.IsAbs(got) {
			t.Errorf("sh with PATH=%q: %q, %v", paths, got, err)
		}
	}
	t.Chdir(dir)
	t.Setenv("PATH", ".:")
	if got, err := Find("tool"); err == nil {
		t.Errorf("tool in the working folder: %q", got)
	}
	for _, name := range []string{"none", "/nonexistent/none"} {
		if _, _, err := Run(context.Background(), "", name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("run %s: %v", name, err)
		}
	}
}
