package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// unpacked reads a tar archive.
func unpacked(t *testing.T, r io.Reader) (content map[string][]byte, headers map[string]*tar.Header) {
	t.Helper()
	content, headers = map[string][]byte{}, map[string]*tar.Header{}
	for a := tar.NewReader(r); ; {
		h, err := a.Next()
		if err == io.EOF {
			return content, headers
		}
		if err != nil {
			t.Fatal(err)
		}
		headers[h.Name] = h
		if content[h.Name], err = io.ReadAll(a); err != nil {
			t.Fatal(err)
		}
	}
}

// Every digest is that of what it names, and the layer holds the program, its
// configuration, and folders that the daemon's user may write to.
func TestPack(t *testing.T) {
	dir := t.TempDir()
	program, config := filepath.Join(dir, "program"), filepath.Join(dir, "config")
	for path, text := range map[string]string{program: "the program", config: "mark = 0\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	var images [2][]byte
	for i := range images {
		out := filepath.Join(dir, "out.tar")
		if err := pack("arm64", "1.2", program, config, out); err != nil {
			t.Fatal(err)
		}
		var err error
		if images[i], err = os.ReadFile(out); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(images[0], images[1]) {
		t.Error("two images of the same differ")
	}

	files, _ := unpacked(t, bytes.NewReader(images[0]))
	get := func(d descriptor, v any) []byte {
		t.Helper()
		b := files["blobs/"+strings.Replace(d.Digest, ":", "/", 1)]
		if digest(b) != d.Digest || len(b) != d.Size {
			t.Fatalf("%s is not what its digest says: %d bytes, want %d", d.MediaType, len(b), d.Size)
		}
		if v != nil {
			if err := json.Unmarshal(b, v); err != nil {
				t.Fatal(err)
			}
		}
		return b
	}
	var index imageIndex
	if err := json.Unmarshal(files["index.json"], &index); err != nil || len(index.Manifests) != 1 {
		t.Fatalf("%v: %s", err, files["index.json"])
	}
	var m manifest
	get(index.Manifests[0], &m)
	var c configuration
	get(m.Config, &c)
	if c.Architecture != "arm64" || c.Config.User != "5124:5124" || !c.Created.Equal(time.Unix(1700000000, 0)) {
		t.Errorf("configuration: %+v", c)
	}
	z, err := gzip.NewReader(bytes.NewReader(get(m.Layers[0], nil)))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil || digest(plain) != c.RootFS.DiffIDs[0] {
		t.Errorf("layer: %v, digest %s, want %s", err, digest(plain), c.RootFS.DiffIDs[0])
	}
	content, headers := unpacked(t, bytes.NewReader(plain))
	for path, want := range map[string]struct {
		mode  int64
		owner int
	}{
		programPath: {0o755, 0}, configPath: {0o644, 0}, "usr/": {0o755, 0}, "usr/bin/": {0o755, 0},
		statePath + "/": {0o700, user}, runPath + "/": {0o755, user},
	} {
		h := headers[path]
		if h == nil || h.Mode != want.mode || h.Uid != want.owner || h.Gid != want.owner {
			t.Errorf("%s: %+v, want %+v", path, h, want)
		}
	}
	if string(content[programPath]) != "the program" || string(content[configPath]) != "mark = 0\n" {
		t.Error("program or configuration is not what was given")
	}
}
