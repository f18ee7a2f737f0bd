package boot

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// operator has root's SSH key for the machine and reaches it from behind.
type operator struct {
	server host
	key    string // file
	public string // line of authorized_keys
}

func newOperator(t *testing.T, h *house) operator {
	t.Helper()
	o := operator{server: h.server, key: filepath.Join(t.TempDir(), "key")}
	command(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", o.key)
	public, err := os.ReadFile(o.key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	o.public = string(public)
	return o
}

// cmd is a command on the machine. Its SSH may come up a little later than we do.
func (o operator) cmd(words string) *exec.Cmd {
	return o.server.cmd("ssh", "-i", o.key, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
		"-o", "LogLevel=ERROR", "-o", "ConnectionAttempts=60", "root@10.0.0.2", words)
}

func (o operator) run(t *testing.T, stdin io.Reader, words string) string {
	t.Helper()
	c := o.cmd(words)
	c.Stdin = stdin
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("ssh %s: %v\n%s", words, err, out)
	}
	return string(out)
}
