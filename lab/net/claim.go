package labnet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// runRoot holds one folder per lab: its lock, spec and control socket.
const runRoot = "/run/tandem-lab"

// claim is the right to a lab's name: a folder with a lock that ends with the
// process, however it ends.
type claim struct {
	name string
	lock *os.File // flock held; holds a record
}

// record is what the lock file says about the lab.
type record struct {
	PID  int  `json:"pid"`
	Spec Spec `json:"spec"`
}

// ErrExists is returned by Up for a name in use.
var ErrExists = errors.New("lab exists")

// claimName takes s.Name, or finds one, after removing what crashed owners of
// labs that are not persistent left behind.
func claimName(s Spec) (*claim, error) {
	unlock, err := lockRoot()
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := sweep(); err != nil {
		return nil, err
	}
	for i := 0; s.Name == ""; i++ {
		name := fmt.Sprintf("%s-t%d%s", DefaultName, os.Getpid(), letters(i))
		if _, err := os.Stat(runDir(name)); errors.Is(err, fs.ErrNotExist) {
			s.Name = name
		}
	}
	if err := os.Mkdir(runDir(s.Name), 0o755); errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%w: %q", ErrExists, s.Name)
	} else if err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(lockPath(s.Name), os.O_RDWR|os.O_CREATE, 0o644)
	c := &claim{name: s.Name, lock: lock}
	if err == nil {
		err = unix.Flock(int(lock.Fd()), unix.LOCK_EX)
	}
	if err == nil {
		err = c.record(os.Getpid(), s)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(runDir(s.Name)))
	}
	return c, nil
}

// record notes who owns the lab.
func (c *claim) record(pid int, s Spec) error {
	text, err := json.Marshal(record{pid, s})
	if err != nil {
		return err
	}
	if err := c.lock.Truncate(0); err != nil {
		return err
	}
	_, err = c.lock.WriteAt(text, 0)
	return err
}

// release removes the folder, and the one around it when it was the last.
func (c *claim) release() error {
	unlock, err := lockRoot()
	if err != nil {
		return err
	}
	defer unlock()
	return errors.Join(os.RemoveAll(runDir(c.name)), c.lock.Close())
}

// lockRoot makes runRoot and holds a lock on it, against others that make or
// remove labs. unlock removes runRoot if it is empty.
func lockRoot() (unlock func(), err error) {
	for {
		if err := os.MkdirAll(runRoot, 0o755); err != nil {
			return nil, err
		}
		d, err := os.Open(runRoot)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := unix.Flock(int(d.Fd()), unix.LOCK_EX); err != nil {
			d.Close()
			return nil, err
		}
		held, err1 := d.Stat()
		now, err2 := os.Stat(runRoot)
		if err1 == nil && err2 == nil && os.SameFile(held, now) {
			return func() { _ = os.Remove(runRoot); d.Close() }, nil
		}
		d.Close() // removed by the one before us: again
	}
}

// sweep removes labs whose owner is gone. runRoot is locked.
func sweep() error {
	names, err := claimed()
	if err != nil {
		return err
	}
	for _, name := range names {
		rec, alive, err := owner(name)
		if err != nil || alive || rec.Spec.Persistent {
			continue
		}
		if err := errors.Join(removeHosts(name), os.RemoveAll(runDir(name))); err != nil {
			return fmt.Errorf("remove crashed lab %q: %w", name, err)
		}
	}
	return nil
}

// owner reads the record of a lab and finds out whether its owner lives. A
// folder without a valid record belongs to one that died while making it.
func owner(name string) (rec record, alive bool, err error) {
	f, err := os.Open(lockPath(name))
	if errors.Is(err, fs.ErrNotExist) {
		return rec, false, nil
	}
	if err != nil {
		return rec, false, err
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); err != nil {
		alive = true
	}
	_ = json.NewDecoder(f).Decode(&rec)
	return rec, alive, nil
}

// claimed lists the labs that have a folder.
func claimed() ([]string, error) {
	entries, err := os.ReadDir(runRoot)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if labName.MatchString(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, err
}

func runDir(name string) string   { return filepath.Join(runRoot, name) }
func lockPath(name string) string { return filepath.Join(runRoot, name, "lock") }

// letters counts a, b … z, aa, ab …
func letters(i int) string {
	if i < 26 {
		return string(rune('a' + i))
	}
	return letters(i/26-1) + letters(i%26)
}
