// Package guest is what process 1 of an emulated machine does first and last.
// Both kinds of guests have it: lab/kernel's and lab/arch's.
package guest

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Start mounts what programs expect and loads the modules in /modules, whose
// names have the order in which to do that.
func Start() error {
	for _, m := range []struct{ kind, at string }{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/run"}, {"tmpfs", "/tmp"}, {"tmpfs", "/var"},
	} {
		if err := os.MkdirAll(m.at, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.kind, m.at, m.kind, 0, ""); err != nil && err != unix.EBUSY {
			return fmt.Errorf("mount %s: %w", m.at, err)
		}
	}
	_ = os.MkdirAll("/var/run", 0o755)
	_ = os.Setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
	modules, err := filepath.Glob("/modules/*.ko")
	if err != nil {
		return err
	}
	for _, path := range modules {
		if err := load(path); err != nil {
			return fmt.Errorf("load %s: %w", path, err)
		}
	}
	return nil
}

func load(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	err = unix.FinitModule(int(f.Fd()), "", 0)
	// ENODEV: it speeds something up that this processor does not have.
	if err == unix.EEXIST || err == unix.ENODEV {
		return nil
	}
	return err
}

// Off ends the machine.
func Off() {
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	select {}
}
