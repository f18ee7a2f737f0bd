// Package privilege gives up what the daemon does not need. A router's daemons
// usually run as root with every capability; this one listens to the LAN and
// parses what comes from the Internet, and needs one capability for its work.
package privilege

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrMissing says that the process cannot do its work with the privileges that
// it was started with.
var ErrMissing = errors.New("needs the capability CAP_NET_ADMIN: run it as root, or as another user with that ambient capability")

// Drop leaves all threads, and the programs that they start, with CAP_NET_ADMIN
// and what else is asked for, and sets no_new_privs. CAP_NET_ADMIN is for nft,
// routing rules, transparent sockets, marks and the path manager; nft inherits
// it as an ambient capability, so that no user but root is needed for any of it.
// A capability of extra that the process does not have is left out.
//
// Root stays root, but without the right to pass over the permissions of files:
// what the daemon reads must belong to the user that it runs as.
func Drop(extra ...uintptr) error {
	var header = unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return fmt.Errorf("read capabilities: %w", err)
	}
	has := func(c uintptr) bool { return sets[c/32].Permitted&(1<<(c%32)) != 0 }
	if !has(unix.CAP_NET_ADMIN) {
		return ErrMissing
	}
	keep := []uintptr{unix.CAP_NET_ADMIN}
	for _, c := range extra {
		if has(c) {
			keep = append(keep, c)
		}
	}
	if has(unix.CAP_SETPCAP) { // else no_new_privs alone keeps the rest away
		if err := dropBounding(keep); err != nil {
			return err
		}
	}
	var next [2]unix.CapUserData
	for _, c := range keep {
		bit := uint32(1) << (c % 32)
		next[c/32].Permitted |= bit
		next[c/32].Effective |= bit
		next[c/32].Inheritable |= bit
	}
	// The kernel reads both for the thread that calls; pid 0 means that one.
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&next[0])), 0)
	runtime.KeepAlive(&header)
	runtime.KeepAlive(&next)
	if errno != 0 {
		return failed("set capabilities", errno)
	}
	if err := prctl("clear ambient capabilities", unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0); err != nil {
		return err
	}
	for _, c := range keep {
		if err := prctl("raise ambient capability", unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, c); err != nil {
			return err
		}
	}
	return prctl("set no_new_privs", unix.PR_SET_NO_NEW_PRIVS, 1, 0)
}

// dropBounding empties the bounding set but for keep, so that no program that
// is started can have more.
func dropBounding(keep []uintptr) error {
	for c := uintptr(0); c < 64; c++ {
		in, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, c, 0, 0, 0)
		if err == unix.EINVAL {
			return nil // beyond the last one that this kernel knows
		}
		if err != nil {
			return fmt.Errorf("read the bounding set: %w", err)
		}
		kept := in == 0
		for _, k := range keep {
			kept = kept || k == c
		}
		if kept {
			continue
		}
		if err := prctl("drop from the bounding set", unix.PR_CAPBSET_DROP, c, 0); err != nil {
			return err
		}
	}
	return nil
}

// prctl calls it in every thread of the process.
func prctl(what string, option, arg2, arg3 uintptr) error {
	if _, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, option, arg2, arg3, 0, 0, 0); errno != 0 {
		return failed(what, errno)
	}
	return nil
}

func failed(what string, errno syscall.Errno) error {
	if errno == syscall.ENOTSUP {
		return errors.New("this program was built with cgo, by which Go cannot reach all threads: build with CGO_ENABLED=0")
	}
	return fmt.Errorf("%s: %w", what, errno)
}
