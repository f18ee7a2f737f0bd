package boot

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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
	files, _ := filepath.Glob(filepath.Join(dir, "journal/*/*.journal*"))
	if len(files) == 0 {
		t.Fatal("no journal")
	}
	machine, loader, emulator := "x86_64-linux-gnu", "ld-linux-x86-64.so.2", []string(nil)
	if *arch == "arm64" {
		machine, loader, emulator = "aarch64-linux-gnu", "ld-linux-aarch64.so.1", []string{"qemu-aarch64-static"}
	}
	command(t, "debugfs", "-R", "rdump /usr/lib/"+machine+" "+dir, root)
	command(t, "debugfs", "-R", "dump /usr/bin/journalctl "+filepath.Join(dir, "journalctl"), root)
	libraries := filepath.Join(dir, machine)
	loader = filepath.Join(libraries, loader)
	for _, program := range []string{loader, filepath.Join(dir, "journalctl")} {
		if err := os.Chmod(program, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	journalctl := func(args ...string) *exec.Cmd {
		words := append(emulator, loader, "--library-path", libraries+":"+filepath.Join(libraries, "systemd"),
			filepath.Join(dir, "journalctl"), "--quiet", "--no-pager")
		words = append(words, args...)
		return exec.Command(words[0], words[1:]...)
	}
	said := ""
	for _, f := range files {
		// So the next boot calls what a power cut left open. It may end in the
		// midst of an entry; all before it is read.
		if !strings.HasSuffix(f, "~") {
			if out, err := journalctl("--verify", "--file", f).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", filepath.Base(f), err, out)
			}
		}
		out, err := journalctl("--output=cat", "--file", f).Output()
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(f), err)
		}
		said += string(out)
	}
	return said
}
