package durable

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

func folder(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state", "files")
	if err := Make(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func write(t *testing.T, path, name, content string) {
	t.Helper()
	d, err := Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Write(name, []byte(content)); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path, name string) string {
	t.Helper()
	d, err := RLock(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	b, err := d.Read(name, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestWriteReadRemove(t *testing.T) {
	path := folder(t)
	write(t, path, "a", "one")
	write(t, path, "a", "two")
	if got := read(t, path, "a"); got != "two" {
		t.Errorf("read %q", got)
	}
	for name, want := range map[string]fs.FileMode{path: 0o700 | fs.ModeDir, filepath.Join(path, "a"): 0o600} {
		if fi, err := os.Stat(name); err != nil || fi.Mode() != want {
			t.Errorf("%s: %v %v, want mode %v", name, fi.Mode(), err, want)
		}
	}
	d, err := Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Remove("a"); err != nil || d.Exists("a") {
		t.Error("not removed", err)
	}
	if err := d.Remove("a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("removed twice: %v", err)
	}
	if _, err := d.Read("a", 10); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("read of nothing: %v", err)
	}
}

func TestReadRefuses(t *testing.T) {
	path := folder(t)
	write(t, path, "big", strings.Repeat("x", 101))
	write(t, path, "open", "x")
	for _, err := range []error{
		os.Chmod(filepath.Join(path, "open"), 0o640),
		os.Symlink("big", filepath.Join(path, "link")),
		os.Mkdir(filepath.Join(path, "folder"), 0o700),
		unix.Mkfifo(filepath.Join(path, "fifo"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	d, err := RLock(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for name, want := range map[string]string{
		"big": "larger than 100 bytes", "open": "mode is 0640", "link": "symbolic link",
		"folder": "no regular file", "fifo": "no regular file",
	} {
		if _, err := d.Read(name, 100); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

// Root's command line and the daemon's user share the folder.
func TestOwner(t *testing.T) {
	parent := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(parent, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(parent, 4711, 4712); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(parent, "files")
	if err := Make(path); err != nil {
		t.Fatal(err)
	}
	write(t, path, "a", "x")
	for _, name := range []string{path, filepath.Join(path, "a")} {
		var st unix.Stat_t
		if err := unix.Stat(name, &st); err != nil || st.Uid != 4711 || st.Gid != 4712 {
			t.Errorf("%s belongs to %d:%d, %v", name, st.Uid, st.Gid, err)
		}
	}
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Make(path); err != nil {
		t.Fatal(err)
	}
	if fi, _ := os.Stat(path); fi.Mode().Perm() != 0o700 {
		t.Errorf("folder left at %v", fi.Mode())
	}
}

// A process that ends at any step leaves the file as it was or as it was to
// be, and what it left over is gone after the next change.
func TestCrash(t *testing.T) {
	if at := os.Getenv("TANDEM_CRASH_AT"); at != "" {
		d, err := Lock(os.Getenv("TANDEM_CRASH_IN"))
		if err != nil {
			t.Fatal(err)
		}
		d.step = func(name string) {
			if name == at {
				os.Exit(77)
			}
		}
		t.Fatal("the step never came: ", d.Write("a", []byte("after")))
	}
	for step, want := range map[string]string{
		"start": "before", "empty": "before", "written": "before", "created": "before", "renamed": "after",
	} {
		t.Run(step, func(t *testing.T) {
			path := folder(t)
			write(t, path, "a", "before")
			c := exec.Command(os.Args[0], "-test.run=^TestCrash$")
			c.Env = append(os.Environ(), "TANDEM_CRASH_AT="+step, "TANDEM_CRASH_IN="+path)
			out, err := c.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 77 {
				t.Fatalf("%v: %s", err, out)
			}
			if got := read(t, path, "a"); got != want {
				t.Errorf("file holds %q, want %q", got, want)
			}
			write(t, path, "b", "x")
			all, err := os.ReadDir(path)
			if err != nil || len(all) != 2 {
				t.Errorf("left over: %v, %v", all, err)
			}
		})
	}
}

// A full disk costs the change, not the file.
func TestDiskFull(t *testing.T) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with its mounts
		path := t.TempDir()
		if err := smallDisk(path); err != nil {
			t.Error(err)
			return
		}
		d, err := Lock(path)
		if err != nil {
			t.Error(err)
			return
		}
		defer d.Close()
		before := bytes.Repeat([]byte("b"), 3000)
		if err := d.Write("a", before); err != nil {
			t.Error(err)
		}
		if err := d.Write("a", make([]byte, 1<<20)); !errors.Is(err, unix.ENOSPC) {
			t.Errorf("a full disk took it: %v", err)
		}
		if got, err := d.Read("a", 1<<20); err != nil || !bytes.Equal(got, before) {
			t.Errorf("file changed, %v", err)
		}
		if err := d.Write("a", []byte("small")); err != nil {
			t.Error("the copy that did not fit still takes room:", err)
		}
		if err := unix.Mount("", path, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			t.Error(err)
		}
		if err := d.Write("a", []byte("other")); !errors.Is(err, unix.EROFS) {
			t.Errorf("a read-only disk took it: %v", err)
		}
		if got, err := d.Read("a", 100); err != nil || string(got) != "small" {
			t.Errorf("file holds %q, %v", got, err)
		}
	}()
	<-done
}

// smallDisk mounts 64 kB at path, for this thread alone.
func smallDisk(path string) error {
	return errors.Join(
		unix.Unshare(unix.CLONE_NEWNS),
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("tmpfs", path, "tmpfs", 0, "size=64k,mode=0700"))
}

func TestLockExcludes(t *testing.T) {
	path := folder(t)
	var wg sync.WaitGroup
	var inside atomic.Int32
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 50 {
				d, err := Lock(path)
				if err != nil {
					t.Error(err)
					return
				}
				if n := inside.Add(1); n != 1 {
					t.Errorf("%d inside", n)
				}
				inside.Add(-1)
				d.Close()
			}
		}()
	}
	wg.Wait()
}

// A folder is its owner's to use, whatever the umask is at that moment.
func TestMakeUnderUmask(t *testing.T) {
	old := unix.Umask(0o177)
	path := filepath.Join(t.TempDir(), "state")
	err := Make(path)
	unix.Umask(old)
	if err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v, want 0700", fi.Mode(), err)
	}
}
