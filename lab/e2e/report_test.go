package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tandem/lab/house"
)

// TestReport makes the archive for a bug report, with the daemon and without, and
// looks for the router's key in it, however it may be written.
func TestReport(t *testing.T) {
	t.Parallel()
	h := build(t, fast())
	ctx := within(t, time.Minute)
	c := dial(t, h, house.Server4, house.EchoPort)
	if err := say(c, "hello\n"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(h.KeysDir(), h.Key))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(text))
	key, err := hex.DecodeString(lines[len(lines)-1])
	if err != nil || len(key) != 32 {
		t.Fatalf("no key in %q", text)
	}
	line, err := h.ClientCommand(ctx, "add", "other")
	if err != nil {
		t.Fatal(err)
	}
	// What users do: the secret where it does not belong.
	mistakes := "# " + line + "# " + strings.ToUpper(hex.EncodeToString(key)) + "\n# " + base64.StdEncoding.EncodeToString(append([]byte("k"), key...)) + "\n"
	if err := h.WriteCPE("", mistakes); err != nil {
		t.Fatal(err)
	}
	for _, running := range []bool{true, false} {
		if !running {
			if err := h.CPE.Stop(10 * time.Second); err != nil {
				t.Fatal(err)
			}
		}
		path := filepath.Join(t.TempDir(), "report.tar.gz")
		if _, err := h.CPECommand(ctx, "", "report", path); err != nil {
			t.Fatal(err)
		}
		if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v, want 0600", fi.Mode(), err)
		}
		files := unpack(t, path)
		all := ""
		for name, content := range files {
			all += name + "\n" + content
		}
		for name, form := range map[string]string{
			"as it is": string(key), "hexadecimal": hex.EncodeToString(key),
			"Base64": base64.RawStdEncoding.EncodeToString(key)[:42], "Base64 for URLs": base64.RawURLEncoding.EncodeToString(key)[:42],
			"Base64, one byte on":  base64.RawStdEncoding.EncodeToString(append([]byte("k"), key...))[2:43],
			"Base64, two bytes on": base64.RawURLEncoding.EncodeToString(append([]byte("kk"), key...))[3:44],
			"another pairing line": strings.TrimSpace(line)[20:60],
		} {
			if strings.Contains(strings.ToLower(all), strings.ToLower(form)) {
				t.Errorf("running %v: the archive has the key, %s", running, name)
			}
		}
		want := map[string]string{
			"versions.txt": "configuration is valid", "config/tandem": "config concentrator 'vm'", "routing.txt": "== ip -4 rule\n0:",
			"counters.txt": "MPTcpExt:", "mptcp.txt": "limits", "quota.txt": "quota", "log.txt": "==",
		}
		if running {
			want["status.json"], want["flows.json"] = `"proven_answers"`, house.Server4+":7"
			want["nftables.txt"], want["mptcp.txt"] = "chain opening", "endpoint"
		} else {
			want["status.json"], want["flows.json"] = "daemon is not running", "daemon is not running"
			want["nftables.txt"] = "No such file"
		}
		for name, has := range want {
			if !strings.Contains(files[name], has) {
				t.Errorf("running %v: %s lacks %q:\n%.2000s", running, name, has, files[name])
			}
		}
	}
}

// unpack returns the files of an archive, without the folder that they are in.
func unpack(t *testing.T, path string) map[string]string {
	t.Helper()
	packed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	r := tar.NewReader(plain)
	for {
		head, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		_, name, _ := strings.Cut(head.Name, "/")
		files[name] = string(content)
	}
}
