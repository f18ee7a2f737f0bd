package labnet

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// netnsDir is where "ip netns" keeps named namespaces.
const netnsDir = "/run/netns"

// inNamespace runs f on the calling goroutine, locked to a thread that is in
// the named namespace meanwhile. Goroutines started by f are not in it.
func inNamespace(name string, f func() error) error {
	target, err := os.Open(filepath.Join(netnsDir, name))
	if err != nil {
		return fmt.Errorf("namespace %q: %w", name, err)
	}
	defer target.Close()
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer home.Close()
	if err := unix.Setns(int(target.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter namespace %q: %w", name, err)
	}
	// Deferred, so that t.Fatal inside f leaves the thread at home too.
	defer func() {
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		} // else stay locked: the runtime ends the thread with the goroutine
	}()
	return f()
}
