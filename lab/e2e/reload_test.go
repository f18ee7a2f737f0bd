package e2e

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tandem/lab/house"
)

// TestReloadWhileBusy sends SIGHUP to either end, again and again, at 500 new
// connections a second and with 100 open streams: none may be refused or break.
func TestReloadWhileBusy(t *testing.T) {
	h := build(t, fast())
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	const streams = 100
	flows := goesOn()
	flows.talk(t, h, streams, 20*time.Millisecond)

	// 500 connections a second, each a byte there and back.
	var made, failed atomic.Int64
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	var opened sync.WaitGroup
	flows.again(1, func() bool {
		<-tick.C
		opened.Add(1)
		go func() {
			defer opened.Done()
			made.Add(1)
			if err := oneByte(ctx, h); err != nil {
				failed.Add(1)
				t.Errorf("new connection: %v", err)
			}
		}()
		return true
	})

	const reloads = 10
	for i := range reloads {
		for _, d := range []*house.Daemon{h.CPE, h.Concentrator} {
			signal(t, d, syscall.SIGHUP)
			eventually(t, 10*time.Second, "the reload is done", func() bool { return d.Log.Count("msg=reloaded") > i })
		}
		// Each reload meets traffic of its own.
		next := made.Load() + 250
		eventually(t, 20*time.Second, "more connections", func() bool { return made.Load() >= next })
	}
	flows.end()
	opened.Wait()
	t.Logf("%d reloads of each end beside %d connections and %d streams: %d failed", reloads, made.Load(), streams, failed.Load())
	if got := status(t, h).Flows; got.Direct != 0 || got.Refused != 0 {
		t.Errorf("flows %+v: none may go direct or be refused", got)
	}
}

func oneByte(ctx context.Context, h *house.House) error {
	c, err := h.DialFrom(ctx, "", house.Server4, house.OneBytePort)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	b := []byte{'x'}
	if _, err := c.Write(b); err != nil {
		return err
	}
	_, err = io.ReadFull(c, b)
	return err
}

// TestReloadRefused gives either end a broken file: it says file, line and
// reason, and goes on with what it had.
func TestReloadRefused(t *testing.T) {
	t.Parallel()
	h := build(t, fast())
	ctx := within(t, time.Minute)
	cpeFile := filepath.Join(h.Dir, "config", "tandem")
	for _, tt := range []struct {
		name, file, add, want string
		daemon                *house.Daemon
	}{
		{"cpe", cpeFile, "\nconfig wan 'dsl3'\n\toption colour 'blue'\n", "colour", h.CPE},
		{"concentrator", filepath.Join(h.Dir, "concentrator.toml"), "\n[limits]\nmax_conections = 5\n", "max_conections", h.Concentrator},
	} {
		t.Run(tt.name, func(t *testing.T) {
			good, err := os.ReadFile(tt.file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(tt.file, append(good, tt.add...), 0o600); err != nil {
				t.Fatal(err)
			}
			signal(t, tt.daemon, syscall.SIGHUP)
			eventually(t, 10*time.Second, "the reload is refused", func() bool { return tt.daemon.Log.Count("reload refused") == 1 })
			line := ""
			for _, l := range strings.Split(tt.daemon.Log.String(), "\n") {
				if strings.Contains(l, "reload refused") {
					line = l
				}
			}
			number := strings.Count(string(good)+tt.add[:strings.Index(tt.add, tt.want)], "\n") + 1
			if !strings.Contains(line, tt.want) || !strings.Contains(line, fmt.Sprintf(":%d", number)) {
				t.Errorf("said %q, want %q and line %d", line, tt.want, number)
			}
			if _, err := h.FirstByte(ctx, "", house.Server4); err != nil {
				t.Errorf("after the refusal: %v", err)
			}
			if err := os.WriteFile(tt.file, good, 0o600); err != nil {
				t.Fatal(err)
			}
			signal(t, tt.daemon, syscall.SIGHUP)
			eventually(t, 10*time.Second, "the good file is taken", func() bool { return tt.daemon.Log.Count("msg=reloaded") == 1 })
		})
	}
	if got := status(t, h).Flows; got.Relayed != 2 {
		t.Errorf("flows %+v, want 2 relayed", got)
	}
}
