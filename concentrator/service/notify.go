package service

import (
	"context"
	"fmt"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Ready says that the daemon serves.
func Ready() { tell(daemon.SdNotifyReady) }

// Status is the line that "systemctl status" shows.
func Status(text string) { tell("STATUS=" + text) }

// Reloading says that a reload has begun; call Ready when it has ended.
func Reloading() { tell(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec()) }

// Stopping says that the daemon drains and may take that long, whatever
// TimeoutStopSec= says.
func Stopping(timeout time.Duration) {
	tell(fmt.Sprintf("%s\nEXTEND_TIMEOUT_USEC=%d\nSTATUS=draining", daemon.SdNotifyStopping, (timeout + grace).Microseconds()))
}

// MainPID says that another process is the service from now on: it is listened
// to, we are not.
func MainPID(pid int) { tell(fmt.Sprintf("MAINPID=%d", pid)) }

// grace is for what has to be done after the drain.
const grace = 10 * time.Second

// tell ignores failures: with no service manager, or one that is gone, the
// daemon serves all the same.
func tell(state string) { _, _ = daemon.SdNotify(false, state) }

// Watchdog tells systemd that the daemon lives, each time that alive returns,
// until ctx ends. It asks twice within WatchdogSec=; without that it only
// waits for ctx.
func Watchdog(ctx context.Context, alive func()) error {
	within, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return fmt.Errorf("watchdog: %w", err)
	}
	if within == 0 {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(within / 2)
	defer tick.Stop()
	for {
		alive()
		tell(daemon.SdNotifyWatchdog)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
