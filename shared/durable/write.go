package durable

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Write replaces the content of a file, or creates it with mode 0600. It needs
// the lock of [Lock]. When it fails before the rename, the file is as it was.
// When only the last sync fails, the new content is there and may not outlive
// a power cut.
func (d *Dir) Write(name string, content []byte) error {
	temp := "." + name + newSuffix
	if err := d.create(temp, content); err != nil {
		return err
	}
	d.at("created")
	if err := unix.Renameat(int(d.f.Fd()), temp, int(d.f.Fd()), name); err != nil {
		_ = unix.Unlinkat(int(d.f.Fd()), temp, 0)
		return wrap("rename", filepath.Join(d.path, name), err)
	}
	d.at("renamed")
	return d.f.Sync()
}

// Remove removes a file.
func (d *Dir) Remove(name string) error {
	if err := unix.Unlinkat(int(d.f.Fd()), name, 0); err != nil {
		return wrap("remove", filepath.Join(d.path, name), err)
	}
	d.at("removed")
	return d.f.Sync()
}

// create writes a synced file, or leaves none.
func (d *Dir) create(name string, content []byte) error {
	path := filepath.Join(d.path, name)
	d.at("start")
	fd, err := unix.Openat(int(d.f.Fd()), name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return wrap("create", path, err)
	}
	f := os.NewFile(uintptr(fd), path)
	if os.Geteuid() == 0 && d.uid != 0 {
		err = f.Chown(d.uid, d.gid)
	}
	if err == nil {
		d.at("empty")
		_, err = f.Write(content)
	}
	if err == nil {
		d.at("written")
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = unix.Unlinkat(int(d.f.Fd()), name, 0)
	}
	return err
}

// sweep removes what writers left that died at work.
func (d *Dir) sweep() {
	all, err := d.list()
	if err != nil {
		return // the next operation says so
	}
	for _, n := range all {
		if strings.HasPrefix(n, ".") && strings.HasSuffix(n, newSuffix) {
			_ = unix.Unlinkat(int(d.f.Fd()), n, 0)
		}
	}
}
