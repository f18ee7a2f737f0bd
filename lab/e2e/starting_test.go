package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A reload that comes while a daemon still reads its configuration does not end
// it: procd and systemd send SIGHUP to whatever they have started.
func TestHangupWhileStarting(t *testing.T) {
	for _, tt := range []struct {
		program string
		file    string // of the configuration, and how its folder or it is named
		args    func(folder, file string) []string
		text    string
		code    int
		said    string
	}{
		{"tandem-cpe", "tandem", func(folder, _ string) []string { return []string{"run", "--config", folder} },
			"config tandem 'main'\n", 0, "disabled by the configuration"},
		{"tandem-concentrator", "concentrator.toml", func(_, file string) []string { return []string{"run", "--config", file} },
			"no such thing = 1\n", 1, "concentrator.toml"},
	} {
		t.Run(tt.program, func(t *testing.T) {
			folder := t.TempDir()
			file := filepath.Join(folder, tt.file)
			if err := unix.Mkfifo(file, 0o600); err != nil {
				t.Fatal(err)
			}
			var said bytes.Buffer
			cmd := exec.Command(filepath.Join(*binaries, tt.program), tt.args(folder, file)...)
			cmd.Stderr = &said
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			// Opens when the daemon has begun to read.
			pipe, err := os.OpenFile(file, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Process.Signal(unix.SIGHUP); err != nil {
				t.Fatal(err)
			}
			awaitHandled(t, cmd.Process.Pid)
			if _, err := pipe.WriteString(tt.text); err != nil {
				t.Fatal(err)
			}
			pipe.Close()
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != tt.code || !bytes.Contains(said.Bytes(), []byte(tt.said)) {
				t.Errorf("ended with %v and %q, want exit status %d and %q", cmd.ProcessState, said.String(), tt.code, tt.said)
			}
		})
	}
}

// awaitHandled returns when no signal waits for the process any more.
func awaitHandled(t *testing.T, pid int) {
	t.Helper()
	for range 500 {
		status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
		if err != nil || bytes.Contains(status, []byte("ShdPnd:\t0000000000000000\n")) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("SIGHUP is still pending")
}
