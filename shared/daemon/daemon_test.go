package daemon

import (
	"context"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A signal that comes while the daemon starts neither ends it nor is lost.
func TestHangupBeforeSignals(t *testing.T) {
	hangups := Hangups()
	if err := unix.Kill(os.Getpid(), unix.SIGHUP); err != nil {
		t.Fatal(err)
	}
	reloaded := make(chan struct{}, 1)
	_, stop := Signals(context.Background(), hangups, func() { reloaded <- struct{}{} })
	defer stop()
	select {
	case <-reloaded:
	case <-time.After(10 * time.Second):
		t.Fatal("a SIGHUP that came early was lost")
	}
}
