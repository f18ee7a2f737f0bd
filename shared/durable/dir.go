// Package durable keeps small files so that a power cut, a full disk or a
// second process at work leaves each of them whole: as it was, or as it was
// to be.
//
// A [Dir] is a locked folder. Every file in it is replaced by rename(2) of a
// synced copy; the folder is synced afterwards. What is created belongs to the
// folder's owner, so that root's command line and a daemon with a user of its
// own can share it.
package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"tandem/shared/order"
)

// newSuffix marks a copy that has not taken its file's place yet. Its name
// starts with a dot. Found under the exclusive lock, it is a dead writer's.
const newSuffix = ".new"

// Dir is an open, locked folder. Use it from one goroutine and close it.
type Dir struct {
	f        *os.File
	path     string
	uid, gid int
	step     func(name string) // tests end the process here
}

// Make creates the folder at path, mode 0700, with the owner of the folder it
// is in, and closes an existing one to others than its owner.
func Make(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	switch err := os.Mkdir(path, 0o700); {
	case errors.Is(err, fs.ErrExist):
		fi, err := os.Stat(path)
		if err != nil {
			return err
		}
		if fi.IsDir() && fi.Mode().Perm()&0o077 != 0 {
			return os.Chmod(path, 0o700)
		}
		return nil
	case err != nil:
		return err
	}
	// Whatever the umask is: a goroutine that makes a socket may have set one for
	// all of the process at this moment.
	if err := os.Chmod(path, 0o700); err != nil {
		return err
	}
	parent, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer parent.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(parent.Fd()), &st); err != nil {
		return wrap("stat", filepath.Dir(path), err)
	}
	if os.Geteuid() == 0 && st.Uid != 0 {
		if err := os.Lchown(path, int(st.Uid), int(st.Gid)); err != nil {
			return err
		}
	}
	return parent.Sync()
}

// Lock opens the folder at path for changes. It waits until nobody else has it
// open, in this process or another.
func Lock(path string) (*Dir, error) {
	d, err := open(path, unix.LOCK_EX)
	if err != nil {
		return nil, err
	}
	d.sweep()
	return d, nil
}

// RLock opens the folder at path for reading. It waits for a writer to finish.
func RLock(path string) (*Dir, error) { return open(path, unix.LOCK_SH) }

func open(path string, how int) (*Dir, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		f.Close()
		return nil, wrap("stat", path, err)
	}
	for {
		err = unix.Flock(int(f.Fd()), how)
		if err == nil {
			return &Dir{f: f, path: path, uid: int(st.Uid), gid: int(st.Gid)}, nil
		}
		if err != unix.EINTR {
			f.Close()
			return nil, wrap("lock", path, err)
		}
	}
}

// Close unlocks the folder.
func (d *Dir) Close() error { return d.f.Close() }

// Names lists the files that do not start with a dot, sorted.
func (d *Dir) Names() ([]string, error) {
	all, err := d.list()
	if err != nil {
		return nil, err
	}
	names := slices.DeleteFunc(all, func(name string) bool { return strings.HasPrefix(name, ".") })
	order.Strings(names)
	return names, nil
}

// list returns all names, in no order. It reads by path, not by d.f, whose
// position is shared.
func (d *Dir) list() ([]string, error) { return List(d.path) }

// List returns the names of what is in a folder, in no order. (os.ReadDir and
// File.Readdirnames also link what tells about each of them: 40 and 10 kB.)
func List(path string) (names []string, err error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, wrap("open", path, err)
	}
	defer unix.Close(fd)
	buf := make([]byte, 8192)
	for {
		n, err := unix.ReadDirent(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, wrap("read", path, err)
		}
		if n <= 0 {
			return names, nil
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
}

// Exists says whether something has that name.
func (d *Dir) Exists(name string) bool {
	var st unix.Stat_t
	return unix.Fstatat(int(d.f.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil
}

// Read returns the content of a file of up to limit bytes that nobody but its
// owner may read. It follows no symbolic link.
func (d *Dir) Read(name string, limit int64) ([]byte, error) {
	path := filepath.Join(d.path, name)
	// Not blocking: a FIFO of that name must not hold us up.
	fd, err := unix.Openat(int(d.f.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err == unix.ELOOP {
		return nil, fmt.Errorf("%q is a symbolic link", path)
	}
	if err != nil {
		return nil, wrap("open", path, err)
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	fi, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !fi.Mode().IsRegular():
		return nil, fmt.Errorf("%q is no regular file", path)
	case fi.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("%q: mode is %#o, must be 0600", path, fi.Mode().Perm())
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%q is larger than %d bytes", path, limit)
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

func (d *Dir) at(step string) {
	if d.step != nil {
		d.step(step)
	}
}

func wrap(op, path string, err error) error { return &fs.PathError{Op: op, Path: path, Err: err} }
