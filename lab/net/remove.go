package labnet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Remove removes the lab of that name, whoever raised it and however that one
// ended. If it is persistent and its owner lives, that is asked to end (SIGTERM)
// and then made to; any other lab with a living owner is left to it. A lab
// that is not there is no error.
func Remove(name string) error {
	if !labName.MatchString(name) {
		return fmt.Errorf("lab name %q: want tandem or tandem-…", name)
	}
	if rec, alive, err := owner(name); err != nil {
		return err
	} else if alive && !rec.Spec.Persistent {
		return fmt.Errorf("lab %q belongs to process %d, which runs and removes it itself", name, rec.PID)
	} else if alive {
		if err := endOwner(name, rec.PID); err != nil {
			return err
		}
	}
	unlock, err := lockRoot()
	if err != nil {
		return err
	}
	defer unlock()
	return errors.Join(removeHosts(name), os.RemoveAll(runDir(name)))
}

// Names lists the labs there are, also those of which only namespaces are
// left.
func Names() ([]string, error) {
	names, err := claimed()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(netnsDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		if m := namespaceName.FindStringSubmatch(e.Name()); m != nil {
			names = append(names, m[1])
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

var namespaceName = regexp.MustCompile(`^(tandem(?:-[a-z0-9]+)*)-(?:` + strings.Join(hostName, "|") + `)$`)

// Owner returns the process a lab lives and dies with: its link process if it
// is persistent, else the one that called Up. pid is 0 if that is gone.
func Owner(name string) (pid int, persistent bool, err error) {
	rec, alive, err := owner(name)
	if !alive {
		rec.PID = 0
	}
	return rec.PID, rec.Spec.Persistent, err
}

// removeHosts ends the processes of a lab's hosts and removes these. The
// devices go first: a namespace lives on while any socket in it is open.
func removeHosts(name string) error {
	var namespaces []string
	var ids []os.FileInfo
	for _, h := range hostName {
		ns := name + "-" + h
		if id, err := os.Stat(filepath.Join(netnsDir, ns)); err == nil {
			namespaces, ids = append(namespaces, ns), append(ids, id)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	errs := []error{endProcesses(ids)}
	for _, ns := range namespaces {
		errs = append(errs, removeDevices(ns), command("", "ip", "netns", "del", ns))
	}
	return errors.Join(errs...)
}

// removeDevices deletes all devices of a namespace but the loopback. A
// namespace that cannot be entered was never finished and has none.
func removeDevices(ns string) error {
	return ignoreUnentered(inNamespace(ns, func() error {
		links, err := netlink.LinkList()
		if err != nil {
			return err
		}
		for _, l := range links {
			if l.Attrs().Name == "lo" {
				continue
			}
			if err := netlink.LinkDel(l); err != nil && !errors.Is(err, unix.ENODEV) {
				return fmt.Errorf("delete device %q of %q: %w", l.Attrs().Name, ns, err)
			}
		}
		return nil
	}))
}

// ignoreUnentered drops the error of entering a file that is no namespace:
// "ip netns add" was killed between making and binding it.
func ignoreUnentered(err error) error {
	if errors.Is(err, unix.EINVAL) {
		return nil
	}
	return err
}

// patience is how long a process has to end after SIGTERM.
const patience = 2 * time.Second

// endOwner ends the process that runs a lab's links.
func endOwner(name string, pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return err
	}
	// The lock says whether pid is still that owner and not a later process.
	if now, alive, err := owner(name); err != nil || !alive || now.PID != pid {
		return errors.Join(err, unix.Close(fd))
	}
	return end([]int{fd})
}
