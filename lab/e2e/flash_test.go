package e2e

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tandem/lab/house"
)

// In steady state the CPE writes nothing to what may be flash: not by its own
// account with the kernel, and nothing changes in its folders. The lines have
// quotas, whose count is written at the end.
func TestNoFlashWrites(t *testing.T) {
	t.Parallel()
	o := sixty()
	o.WANOptions = map[string]string{"dsl": "\toption quota '100G'\n", "lte": "\toption quota '100G'\n"}
	h := build(t, o)
	ctx := within(t, 5*time.Minute)
	length := 10 * time.Second
	if *long {
		length = time.Minute
	}
	if err := h.Download(ctx, "", house.Server4, 1<<20); err != nil {
		t.Fatal(err)
	}
	quota := filepath.Join(h.StateDir(), "quota")
	eventually(t, 10*time.Second, "the counts of the quotas have begun", func() bool {
		_, err := os.Stat(quota)
		return err == nil
	})
	changes := watchFolders(t, filepath.Join(h.Dir, "config"), h.KeysDir(), h.StateDir())
	before := written(t, h.CPE.PID())
	flows, carried := 0, 0
	for began := time.Now(); time.Since(began) < length; flows++ {
		if err := h.Download(ctx, "", house.Server4, 1<<20); err != nil {
			t.Fatal(err)
		}
		if err := h.Upload(ctx, "", house.Server4, 1<<18); err != nil {
			t.Fatal(err)
		}
		carried += 1<<20 + 1<<18
		askPaths(t, h)
	}
	if n := written(t, h.CPE.PID()) - before; n != 0 {
		t.Errorf("the CPE wrote %d bytes to a disk in %s", n, length)
	}
	if got := changes(); got != "" {
		t.Errorf("changed in the CPE's folders: %s", got)
	}
	t.Logf("%d connections with %d MB in %s, and nothing was written", 2*flows, carried/1e6, length)
	if err := h.CPE.Stop(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	if got := changes(); !strings.Contains(got, "quota") {
		t.Errorf("changed at the end: %q, want the count of the quotas", got)
	}
}

// written is how many bytes a process has made dirty of files on disks
// (proc(5), write_bytes). Files in memory, pipes and sockets do not count.
func written(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "io"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		if s, ok := strings.CutPrefix(line, "write_bytes: "); ok {
			n, err := strconv.Atoi(s)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal("this kernel counts no bytes written: CONFIG_TASK_IO_ACCOUNTING")
	return 0
}

// watchFolders returns what tells the names of files that were made, written,
// moved or removed in folders since it was asked last.
func watchFolders(t *testing.T, folders ...string) func() string {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	for _, folder := range folders {
		if _, err := unix.InotifyAddWatch(fd, folder, unix.IN_CREATE|unix.IN_MODIFY|unix.IN_ATTRIB|unix.IN_MOVE|unix.IN_DELETE); err != nil {
			t.Fatalf("watch %s: %v", folder, err)
		}
	}
	return func() string {
		var names []string
		buf := make([]byte, 64<<10)
		for {
			n, err := unix.Read(fd, buf)
			if err != nil || n <= 0 {
				return strings.Join(names, " ")
			}
			for b := buf[:n]; len(b) >= unix.SizeofInotifyEvent; {
				size := int(binary.NativeEndian.Uint32(b[12:]))
				names = append(names, unix.ByteSliceToString(b[unix.SizeofInotifyEvent:unix.SizeofInotifyEvent+size]))
				b = b[unix.SizeofInotifyEvent+size:]
			}
		}
	}
}
