package control

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func start(t *testing.T, path string) (stop func()) {
	t.Helper()
	s := &Server{Path: path, Handlers: map[string]Handler{
		"echo": func(args []string) (any, error) { return args, nil },
		"fail": func([]string) (any, error) { return nil, errors.New("no such flow") },
	}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	deadline := time.Now().Add(5 * time.Second)
	for {
		if _, err := Call(path, "echo"); err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func TestCall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "control.sock")
	stop := start(t, path)
	for _, tt := range []struct{ name, request, want, wantErr string }{
		{name: "answer", request: "echo a b", want: `["a","b"]`},
		{name: "handler's error", request: "fail", wantErr: "no such flow"},
		{name: "unknown", request: "sing", wantErr: `unknown request "sing"`},
		{name: "empty", request: "", wantErr: "empty request"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Call(path, strings.Fields(tt.request)...)
			if tt.wantErr != "" {
				if err == nil || err.Error() != tt.wantErr {
					t.Fatalf("error %v, want %q", err, tt.wantErr)
				}
				return
			}
			if err != nil || strings.TrimSpace(string(got)) != tt.want {
				t.Fatalf("got %s, %v; want %s", got, err, tt.want)
			}
		})
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", fi.Mode(), err)
	}
	stop()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("socket is still there after Run: %v", err)
	}
	if _, err := Call(path, "echo"); !errors.Is(err, ErrNotRunning) {
		t.Errorf("call without a daemon: %v, want ErrNotRunning", err)
	}
}

func TestRequestIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	defer start(t, path)()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, strings.Repeat("x", 2*maxRequest)) // may fail: the server hung up
	if answer, _ := io.ReadAll(c); len(answer) != 0 {
		t.Errorf("answered %q", answer)
	}
}

func TestListenKeepsOthersThings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	stop := start(t, path)
	if err := (&Server{Path: path}).Run(context.Background()); err == nil || !strings.Contains(err.Error(), "another daemon answers") {
		t.Errorf("second daemon on one socket: %v", err)
	}
	stop()

	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close() // a crash: the file stays
	start(t, path)()

	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (&Server{Path: path}).Run(context.Background()); err == nil {
		t.Error("replaced a file that is no socket")
	}
	if got, _ := os.ReadFile(path); string(got) != "mine" {
		t.Errorf("file is now %q", got)
	}
}

// Who calls a daemon that is about to start is answered when it has.
func TestCallWhileStarting(t *testing.T) {
	s := &Server{Path: filepath.Join(t.TempDir(), "s"), Handlers: map[string]Handler{
		"echo": func(args []string) (any, error) { return args, nil },
	}}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	called := make(chan error, 1)
	go func() {
		_, err := Call(s.Path, "echo")
		called <- err
	}()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	if err := <-called; err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
