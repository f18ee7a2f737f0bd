package boot

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// journal takes the journal out of a machine that is off, checks it and
// returns what it says. It is read by the image's own journalctl: an older
// one does not know its format.
func journal(t *testing.T, v *vm) string {
	t.Helper()
	dir := t.TempDir()
	partition := func(name string, skip, count int) string {
		part := filepath.Join(dir, name)
		command(t, "dd", "if="+v.disk, "of="+part, "bs=1M", fmt.Sprint("skip=", skip), fmt.Sprint("count=", count), "conv=sparse", "status=none")
		return part
	}
	state, root := partition("state", 1153, diskSize>>20), partition("root", 129, 1024)
	command(t, "debugfs", "-R", "rdump /journal "+dir, state)
	files, _ := filepath.Glob(filepath.Join(dir, "journal/*/*.journal"))
	if len(files) == 0 {
		t.Fatal("no journal")
	}
	command(t, "debugfs", "-R", "rdump /usr/lib/x86_64-linux-gnu "+dir, root)
	command(t, "debugfs", "-R", "dump /usr/bin/journalctl "+filepath.Join(dir, "journalctl"), root)
	libraries := filepath.Join(dir, "x86_64-linux-gnu")
	loader := filepath.Join(libraries, "ld-linux-x86-64.so.2")
	for _, program := range []string{loader, filepath.Join(dir, "journalctl")} {
		if err := os.Chmod(program, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	journalctl := func(args ...string) *exec.Cmd {
		return exec.Command(loader, append([]string{"--library-path", libraries + ":" + filepath.Join(libraries, "systemd"),
			filepath.Join(dir, "journalctl"), "--quiet", "--no-pager"}, args...)...)
	}
	said := ""
	for _, f := range files {
		if out, err := journalctl("--verify", "--file", f).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", filepath.Base(f), err, out)
		}
		out, err := journalctl("--output=cat", "--file", f).Output()
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(f), err)
		}
		said += string(out)
	}
	return said
}
