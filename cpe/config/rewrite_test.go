package config

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRewrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, FileName)
	to := func(next string) func(string) (string, error) {
		return func(string) (string, error) { return next, nil }
	}
	check := func(want string, mode os.FileMode, uid, gid uint32) {
		t.Helper()
		text, err := os.ReadFile(path)
		var st unix.Stat_t
		if err := errors.Join(err, unix.Stat(path, &st)); err != nil {
			t.Fatal(err)
		}
		if string(text) != want || os.FileMode(st.Mode&0o777) != mode || st.Uid != uid || st.Gid != gid {
			t.Errorf("%q, mode %#o of %d:%d; want %q, %#o of %d:%d", text, st.Mode&0o777, st.Uid, st.Gid, want, mode, uid, gid)
		}
		all, err := os.ReadDir(dir)
		if err != nil || len(all) != 1 {
			t.Errorf("in the folder: %v, %v", all, err)
		}
	}
	me, mine := uint32(os.Geteuid()), uint32(os.Getegid())
	if err := Rewrite(dir, to("one")); err != nil {
		t.Fatal(err)
	}
	check("one", newFileMode, me, mine)

	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if me == 0 {
		me, mine = 4711, 4712
		if err := os.Chown(path, 4711, 4712); err != nil {
			t.Fatal(err)
		}
	}
	if err := Rewrite(dir, to("two")); err != nil {
		t.Fatal(err)
	}
	check("two", 0o644, me, mine)

	was, _ := os.Stat(path)
	if err := Rewrite(dir, func(text string) (string, error) { return text, nil }); err != nil {
		t.Fatal(err)
	}
	if is, _ := os.Stat(path); !os.SameFile(was, is) {
		t.Error("written although nothing changes")
	}
	no := errors.New("no")
	if err := Rewrite(dir, func(string) (string, error) { return "three", no }); !errors.Is(err, no) {
		t.Errorf("error %v", err)
	}
	check("two", 0o644, me, mine)
}

// Each of many writers sees what the others wrote.
func TestRewriteTogether(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	const writers = 20
	for range writers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := Rewrite(dir, func(text string) (string, error) { return text + "x", nil }); err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	if text, err := ReadText(dir); err != nil || text != strings.Repeat("x", writers) {
		t.Errorf("%q, %v", text, err)
	}
}

func TestRewriteLinks(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	target := filepath.Join(other, "real")
	if err := os.Symlink(target, filepath.Join(dir, FileName)); err != nil {
		t.Fatal(err)
	}
	next := func(text string) (string, error) { return fmt.Sprint(text, "x"), nil }
	if err := Rewrite(dir, next); err == nil || !strings.Contains(err.Error(), "link to nothing") {
		t.Errorf("a link to nothing: %v", err)
	}
	if err := os.WriteFile(target, []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Rewrite(dir, next); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(target); string(text) != "ax" {
		t.Errorf("behind the link: %q", text)
	}
	if fi, err := os.Lstat(filepath.Join(dir, FileName)); err != nil || fi.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link became %v, %v", fi.Mode(), err)
	}
}

// A full disk leaves the file as it was, and nothing beside it.
func TestRewriteFull(t *testing.T) {
	dir := t.TempDir()
	if err := Rewrite(dir, func(string) (string, error) { return "old", nil }); err != nil {
		t.Fatal(err)
	}
	// The limit is the whole process's: another one bears it.
	child := exec.Command(os.Args[0], "-test.run", "^TestRewriteWithoutSpace$")
	child.Env = append(os.Environ(), withoutSpace+"="+dir)
	out, err := child.CombinedOutput()
	switch {
	case errors.Is(err, unix.ENOEXEC): // an emulated processor, whose programs start no other
		rewriteWithoutSpace(t, dir)
	case err != nil:
		t.Errorf("%v: %s", err, out)
	}
	if text, _ := ReadText(dir); text != "old" {
		t.Errorf("%q", text)
	}
	if all, _ := os.ReadDir(dir); len(all) != 1 {
		t.Errorf("left over: %v", all)
	}
}

// withoutSpace names the folder in which TestRewriteFull's child is to write.
const withoutSpace = "TANDEM_TEST_WITHOUT_SPACE"

// TestRewriteWithoutSpace is what TestRewriteFull starts.
func TestRewriteWithoutSpace(t *testing.T) {
	if dir := os.Getenv(withoutSpace); dir != "" {
		rewriteWithoutSpace(t, dir)
	}
}

func rewriteWithoutSpace(t *testing.T, dir string) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 10, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_FSIZE, &old)
	if err := Rewrite(dir, func(string) (string, error) { return strings.Repeat("new", 1000), nil }); err == nil {
		t.Error("no error")
	}
}
