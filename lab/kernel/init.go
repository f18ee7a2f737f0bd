package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	machine "tandem/lab/guest"
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
	machine.Off()
}

func bringUp() error {
	if err := machine.Start(); err != nil {
		return err
	}
	if err := os.MkdirAll("/dev/net", 0o755); err != nil {
		return err
	}
	err := unix.Mknod("/dev/net/tun", unix.S_IFCHR|0o600, int(unix.Mkdev(10, 200)))
	if err != nil && err != unix.EEXIST {
		return fmt.Errorf("/dev/net/tun: %w", err)
	}
	return nil
}
