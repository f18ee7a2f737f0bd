package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tandem/lab/house"
)

// TestClumsyOperator does what people do by mistake: each is refused with a
// word of what is wrong, and what worked goes on.
func TestClumsyOperator(t *testing.T) {
	t.Parallel()
	h := build(t, fast())
	ctx := within(t, time.Minute)
	config := filepath.Join(h.Dir, "concentrator.toml")
	state := filepath.Join(h.Dir, "state")
	tandem := func(args ...string) (string, error) {
		return h.Host("core").Run(within(t, 15*time.Second), filepath.Join(*binaries, "tandem-concentrator"), args...)
	}
	files := func() string {
		var names []string
		_ = filepath.WalkDir(h.Dir, func(path string, _ os.DirEntry, _ error) error {
			if strings.HasSuffix(path, ".toml") {
				names = append(names, path)
			}
			return nil
		})
		return strings.Join(names, "\n")
	}

	before := files()
	for _, name := range []string{"", ".", "..", "../evil", "a/b", "Upper", "two words", "ünï", "-rf", "tab\there", "new\nline", "$(id)", strings.Repeat("x", 65)} {
		if out, err := tandem("client", "add", "--config", config, "--", name); err == nil || strings.Contains(out, "tandem://") {
			t.Errorf("client add %q: %s", name, out)
		}
	}
	if after := files(); after != before {
		t.Errorf("files were made:\n%s\nbefore:\n%s", after, before)
	}

	// A second daemon, with the same file, and with sockets of its own.
	if out, err := tandem("run", "--config", config); err == nil || !strings.Contains(out, "another daemon") {
		t.Errorf("a second daemon: %v: %s", err, out)
	}
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	second := filepath.Join(h.Dir, "second.toml")
	other := strings.NewReplacer(":5124", ":5125", "concentrator.sock", "second.sock").Replace(string(text))
	if err := os.WriteFile(second, []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := tandem("run", "--config", second); err == nil || !strings.Contains(out, "another daemon uses it") {
		t.Errorf("a second daemon on the same state folder: %v: %s", err, out)
	}
	if !reach(t, h, "beside them") {
		t.Error("the first daemon does not relay any more")
	}

	// The client's file copied, emptied, made a folder: the client stays.
	clients := filepath.Join(state, "clients")
	key, err := os.ReadFile(filepath.Join(clients, "house.toml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, mistake := range []func() error{
		func() error { return os.WriteFile(filepath.Join(clients, "copy.toml"), key, 0o600) },
		func() error { return os.Mkdir(filepath.Join(clients, "folder.toml"), 0o700) },
		func() error { return os.WriteFile(filepath.Join(clients, "notes.txt"), []byte("hello"), 0o600) },
		func() error { return os.WriteFile(filepath.Join(clients, "house.toml"), nil, 0o600) },
	} {
		if err := mistake(); err != nil {
			t.Fatal(err)
		}
		if out, err := tandem("client", "add", "friend", "--config", config); err != nil {
			t.Errorf("client add beside a mistake: %s", out)
		}
		if out, err := tandem("client", "remove", "friend", "--config", config); err != nil {
			t.Errorf("client remove beside a mistake: %s", out)
		}
		if !reach(t, h, "with a mistake in the clients' folder") {
			t.Error("the client is shut out")
		}
	}
	if n := h.Concentrator.Log.Count("client not loaded"); n < 3 {
		t.Errorf("%d lines about it", n)
	}

	// The router's key for all to read: not used, and it is said why.
	if err := h.CPE.Stop(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	run(t, ctx, h.Host("cpe"), "sh", "-c", "chmod 0644 "+filepath.Join(h.Dir, "keys")+"/*")
	if err := h.StartCPE(within(t, 10*time.Second)); err == nil || !strings.Contains(err.Error(), "must be 0600") {
		t.Errorf("a key for all to read: %v", err)
	}
	if _, err := h.FirstByte(ctx, "", house.Server4); err != nil {
		t.Errorf("and the LAN is cut off: %v", err)
	}
}
