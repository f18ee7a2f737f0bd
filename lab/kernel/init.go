package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// guest is process 1 of a guest made by boot: it mounts, loads modules, makes
// the experiments named on the kernel's command line and powers off.
func guest() {
	err := bringUp()
	if err == nil {
		line, _ := os.ReadFile("/proc/cmdline")
		_, args, _ := strings.Cut(strings.TrimSpace(string(line)), " -- ")
		err = command(context.Background(), strings.Fields(args))
	}
	if err != nil {
		fmt.Println("guest failed:", err)
	} else {
		fmt.Println("guest done")
	}
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	select {}
}

func bringUp() error {
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
	modules, err := filepath.Glob("/modules/*.ko") // named in the order to be loaded
	if err != nil {
		return err
	}
	for _, path := range modules {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		if err := unix.FinitModule(int(f.Fd()), "", 0); err != nil && err != unix.EEXIST {
			return fmt.Errorf("load %s: %w", path, err)
		}
		f.Close()
	}
	if err := os.MkdirAll("/dev/net", 0o755); err != nil {
		return err
	}
	err = unix.Mknod("/dev/net/tun", unix.S_IFCHR|0o600, int(unix.Mkdev(10, 200)))
	if err != nil && err != unix.EEXIST {
		return fmt.Errorf("/dev/net/tun: %w", err)
	}
	return nil
}
