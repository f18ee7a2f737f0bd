package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Rewrite replaces the text of dir/tandem by what change makes of it; a missing
// file reads as "". The file is at any moment the old or the new one, whole,
// and keeps its mode and owner. Where change fails or returns the same text,
// nothing is written.
//
// Meanwhile others that lock the file, as uci(1) does, and other calls of
// Rewrite wait.
func Rewrite(dir string, change func(text string) (string, error)) error {
	path, err := resolve(filepath.Join(dir, FileName))
	if err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := lock(folder); err != nil {
		return err
	}
	old, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	default:
		defer old.Close()
		if err := lock(old); err != nil {
			return err
		}
		if err := stillThere(old, path); err != nil {
			return err
		}
	}
	var text string
	if old != nil {
		if text, err = readAll(old); err != nil {
			return err
		}
	}
	next, err := change(text)
	if err != nil || old != nil && next == text {
		return err
	}
	return swap(folder, path, old, next)
}

// ReadText is the text of dir/tandem, "" where there is no such file.
func ReadText(dir string) (string, error) {
	f, err := os.Open(filepath.Join(dir, FileName))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	return readAll(f)
}

func readAll(r io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = &Error{File: FileName, Msg: fmt.Sprintf("file is larger than %d bytes", maxFile)}
	}
	return string(b), err
}

// resolve follows symbolic links, so that one is not replaced by a file.
// (filepath.EvalSymlinks does so in folders, too, which does not matter here.)
func resolve(path string) (string, error) {
	const most = 40 // as the kernel follows
	at := path
	for range most {
		target, err := os.Readlink(at)
		switch {
		case errors.Is(err, unix.EINVAL): // no link
			return at, nil
		case errors.Is(err, fs.ErrNotExist) && at == path:
			return path, nil
		case errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("%q is a symbolic link to nothing", path)
		case err != nil:
			return "", err
		case filepath.IsAbs(target):
			at = target
		default:
			at = filepath.Dir(at) + "/" + target
		}
	}
	return "", fmt.Errorf("%q: %w", path, unix.ELOOP)
}

func lock(f *os.File) error {
	for {
		switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err {
		case nil:
			return nil
		case unix.EINTR:
		default:
			return fmt.Errorf("lock %q: %w", f.Name(), err)
		}
	}
}

// stillThere says whether f was replaced while we waited for its lock.
func stillThere(f *os.File, path string) error {
	mine, err := f.Stat()
	if err != nil {
		return err
	}
	now, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !mine.Mode().IsRegular() {
		return fmt.Errorf("%q is no regular file", path)
	}
	if !os.SameFile(mine, now) {
		return fmt.Errorf("%q has just been changed by another program: try again", path)
	}
	return nil
}

// newFileMode is that of a file which was not there: it holds no secret but for
// cookies.
const newFileMode = 0o600

// swap writes a synced copy and renames it over path.
func swap(folder *os.File, path string, old *os.File, text string) (err error) {
	// libuci reads every file in its folder whose name has no dot.
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.new")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err := f.Chmod(newFileMode); err != nil {
		return err
	}
	if old != nil {
		var st unix.Stat_t
		if err := unix.Fstat(int(old.Fd()), &st); err != nil {
			return fmt.Errorf("stat %q: %w", path, err)
		}
		if int(st.Uid) != os.Geteuid() || int(st.Gid) != os.Getegid() {
			if err := f.Chown(int(st.Uid), int(st.Gid)); err != nil {
				return err
			}
		}
		if err := f.Chmod(fs.FileMode(st.Mode & 0o777)); err != nil {
			return err
		}
	}
	if _, err := f.WriteString(text); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return folder.Sync()
}
